"""The read-only AWS calls our modules share: each returns plain data and raises Stop with one sentence.

Every call is retried with jitter by amazon.aws's AWSRetry where the module's client carries it.
"""

from __future__ import annotations

import functools
from datetime import datetime, timezone

from ansible_collections.amazon.aws.plugins.module_utils.retries import AWSRetry
from ansible_collections.gpulab.core.plugins.module_utils.aws_errors import CREDENTIALS, sentence, skew_seconds
from ansible_collections.gpulab.core.plugins.module_utils.host_names import name_of
from ansible_collections.gpulab.core.plugins.module_utils.launch_plan import LIVE_STATES, TAG

try:
    from botocore import exceptions as boto_errors
    from botocore import session as boto_session
    from botocore.session import Session

    # amazon.aws makes a session for each client, and each session would read the description of EC2, megabytes of JSON,
    # anew. Read once by the inventory, it is there in every worker that Ansible forks.
    boto_session.create_loader = functools.cache(boto_session.create_loader)
except ImportError:  # AnsibleAWSModule says so in a sentence of its own
    boto_errors = None

# An instance that has just been launched may be unknown to other parts of EC2 for some seconds.
RETRY = AWSRetry.jittered_backoff(
    retries=6, delay=1, max_delay=10, catch_extra_error_codes=["InvalidInstanceID.NotFound"]
)


class Stop(Exception):
    """A sentence for the user; modules turn it into fail_json in main() only.

    `code` and `message` are AWS's own, if it was AWS; `unanswered`: the call may have been heard, but nobody answered.
    """

    def __init__(self, text, code=None, message="", unanswered=False):
        super().__init__(text)
        self.code, self.message, self.unanswered = code, message, unanswered


def call(doing, method, **arguments):
    """Call a boto3 client method and turn whatever goes wrong into Stop. `doing` completes "While ..."."""
    try:
        return method(**arguments)
    except (boto_errors.NoCredentialsError, boto_errors.PartialCredentialsError):
        raise Stop(f"No AWS credentials were found: {CREDENTIALS}") from None
    except boto_errors.ClientError as error:
        told = error.response["Error"]
        message = told.get("Message", "")
        date = error.response.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date")
        skew = skew_seconds(date, datetime.now(timezone.utc))
        text = sentence(told["Code"], message, doing, error.operation_name, skew)
        raise Stop(text, told["Code"], message) from error
    except boto_errors.BotoCoreError as error:
        raise Stop(
            f"While {doing}, AWS could not be reached ({error}): check the network and run the same command again.",
            unanswered=True,
        ) from error


def check_region(region, variable="aws_region"):
    """Raise Stop unless botocore's own table has an EC2 endpoint for `region`; asks nobody. variable: who names it."""
    session = Session()
    known = [r for p in session.get_available_partitions() for r in session.get_available_regions("ec2", p)]
    if region not in known:
        raise Stop(
            f"'{region}' is not an AWS region: choose one such as us-east-1, eu-west-1 or ap-northeast-1 "
            f"with -e {variable}=us-east-1."
        )


def account_id(sts):
    """Return the account number these credentials belong to."""
    return call("asking whose credentials these are", sts.get_caller_identity, aws_retry=True)["Account"]


def pages(doing, method, key, **arguments):
    """Return all items of a paged EC2 answer."""
    items = []
    while True:
        answer = call(doing, method, aws_retry=True, **arguments)
        items += answer[key]
        if not answer.get("NextToken"):
            return items
        arguments["NextToken"] = answer["NextToken"]


def instances(ec2, deployment=None, hosts=None, states=LIVE_STATES):
    """Return the instances of a deployment (of these host names in it, if given) in these states, oldest first.

    Without a deployment they are all of the region's.

    One call for all: AWS cannot filter by a name that stands in a list.
    """
    filters = [{"Name": "instance-state-name", "Values": list(states)}]
    if deployment:
        filters.append({"Name": f"tag:{TAG}", "Values": [deployment]})
    found = pages("listing the instances", ec2.describe_instances, "Reservations", Filters=filters)
    wanted = [i for r in found for i in r["Instances"] if hosts is None or host_name(i) in hosts]
    return sorted(wanted, key=lambda i: (i["LaunchTime"], i.get("AmiLaunchIndex", 0), i["InstanceId"]))


def elsewhere(clients, deployment):
    """Return {region: names of the deployment's live hosts} of the regions that have any. clients: region -> EC2's."""
    found = {}
    for region, ec2 in clients.items():
        try:
            found[region] = [host_name(one) for one in instances(ec2, deployment)]
        except Stop as stop:
            text = f"{stop} That was in {region}, where hosts may be as gpu_next_regions says."
            raise Stop(text, stop.code, stop.message, stop.unanswered) from stop
    return {region: names for region, names in found.items() if names}


def host_name(instance):
    """Return the name of an instance as DescribeInstances or RunInstances shows it; its id where no tag names it."""
    return name_of(tags(instance), instance.get("AmiLaunchIndex", 0)) or instance["InstanceId"]


def tags(resource):
    """Return a resource's tags as a dict."""
    return {t["Key"]: t["Value"] for t in resource.get("Tags", [])}
