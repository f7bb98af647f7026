"""Documents and names of what guards a deployment: the role that a schedule stops with, the alarm, the topic. Pure."""

from __future__ import annotations

from ansible_collections.gpulab.core.plugins.module_utils.launch_plan import TAG

BILLING_REGION = "us-east-1"
"""Where AWS keeps the metric of the charges, for whatever region:
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/monitor_estimated_charges_with_cloudwatch.html"""
POLICY = "stop"


def name(deployment):
    """Return the name of the schedule group, the topic and the alarm."""
    return f"gpulab-{deployment}"


def role_name(deployment):
    """Return the name of the role that the schedules stop hosts with."""
    return f"gpulab-{deployment}-stop"


def role_arn(account, deployment):
    """Return the role's ARN."""
    return f"arn:aws:iam::{account}:role/{role_name(deployment)}"


def topic_arn(account, deployment):
    """Return the topic's ARN."""
    return f"arn:aws:sns:{BILLING_REGION}:{account}:{name(deployment)}"


def trust(account):
    """Return who may take the role on: EventBridge Scheduler, and only for schedules of this account."""
    return _document(
        Principal={"Service": "scheduler.amazonaws.com"},
        Action="sts:AssumeRole",
        Condition={"StringEquals": {"aws:SourceAccount": account}},
    )


def permission(account, deployment):
    """Return what the role may do: stop instances that carry the deployment's tag, and nothing else."""
    return _document(
        Action="ec2:StopInstances",
        Resource=f"arn:aws:ec2:*:{account}:instance/*",
        Condition={"StringEquals": {f"aws:ResourceTag/{TAG}": deployment}},
    )


def _document(**statement):
    return {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **statement}]}


def alarm(account, deployment, usd, mail):
    """Return PutMetricAlarm's arguments: the account's charges of this month go above `usd`."""
    return {
        "AlarmName": name(deployment),
        "AlarmDescription": f"The AWS account's charges of this month are above ${usd:.2f} (gpulab {deployment}).",
        "Namespace": "AWS/Billing",
        "MetricName": "EstimatedCharges",
        "Dimensions": [{"Name": "Currency", "Value": "USD"}],
        "Statistic": "Maximum",
        # AWS publishes the charges several times a day.
        "Period": 6 * 3600,
        "EvaluationPeriods": 1,
        "Threshold": float(usd),
        "ComparisonOperator": "GreaterThanThreshold",
        "AlarmActions": [topic_arn(account, deployment)] if mail else [],
    }


def same_alarm(described, wanted):
    """Tell whether an alarm as DescribeAlarms shows it is the one that is wanted, and switched on."""
    return bool(described) and described["ActionsEnabled"] and all(described.get(k) == v for k, v in wanted.items())
