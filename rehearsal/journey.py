"""The journey of `bin/rehearse`: the real playbooks, start to teardown; each stage timed, checked and summed up."""

from __future__ import annotations

import json
import signal
import sys
import time
from pathlib import Path

import jsonschema

from rehearsal import canary, environment, notebook, session, settings
from rehearsal.podman import leftovers
from rehearsal.run import HOST, Failed, Run

REPORT = settings.ROOT / "reports" / environment.DEPLOYMENT / f"{HOST}.json"
SCHEMA = settings.ROOT / "roles/proof_report/files/report.schema.json"


class Journey(Run):
    """The stages, in their order."""

    def account(self) -> str:
        """Make sure that nothing but the embedded account is about to be written to."""
        account = self.client("sts").get_caller_identity()["Account"]
        if account != settings.ACCOUNT or not self.url.startswith("http://127."):
            raise Failed(
                f"{self.url} is account {account}, and a rehearsal writes only to {settings.ACCOUNT} on this machine."
            )
        return f"account {account} at {self.url}"

    def provision(self) -> str:
        """From nothing to a host that has proved itself."""
        self.playbook("provision")
        (instance,) = self.instances()
        self.seen |= {"id": instance["InstanceId"], "address": instance["PublicIpAddress"]}
        return f"{instance['InstanceId']} at {instance['PublicIpAddress']}"

    def report(self) -> str:
        """The report fits its schema and says what the embedded AWS says."""
        report = json.loads(REPORT.read_text())
        jsonschema.validate(report, json.loads(SCHEMA.read_text()))
        (instance,) = self.instances()
        expected = {
            "verdict": "rehearsed",
            "instance_id": instance["InstanceId"],
            "address": instance["PublicIpAddress"],
            "instance_type": instance["InstanceType"],
            "zone": instance["Placement"]["AvailabilityZone"],
            "status_checks": "2/2",
        }
        for name, value in expected.items():
            if report[name] != value:
                raise Failed(f"The report's {name} is {report[name]!r}, and {value!r} was expected.")
        runs = [report["benchmark"][net]["cpu"] for net in ("lenet", "mlp")]
        if report["benchmark"]["gates"]["reasons"]:
            raise Failed(f"The nets did not learn what they should: {report['benchmark']['gates']['reasons'][0]}")
        if report["environment"]["name"] != "carnd-term1" or not all(lab["passed"] for lab in report["labs"] or [{}]):
            raise Failed("The report has no environment carnd-term1 or no passed labs, and both were expected.")
        price = report["price"]["usd_per_hour"]
        learned = " and ".join(f"{100 * run['accuracy']:.2f} %" for run in runs)
        return f"{report['verdict']}: LeNet-5 and the MLP {learned} on the test set, ${price:.3f} an hour"

    def login(self) -> str:
        """`ssh NAME` works, against the pinned host key."""
        return f"ssh {HOST}: {self.ssh('echo $(id -un)@$(hostname), up since $(uptime -s)')}"

    def notebook(self) -> str:
        """The notebook is reached through the tunnel alone, and opens with its token alone."""
        answers, self.seen["token"] = notebook.visit(HOST, self.env)
        if answers != [403, 200]:
            raise Failed(f"The notebook answered {answers} without and with its token, and 403 and 200 were expected.")
        return "bin/notebook: 403 without the token, 200 with it"

    def again(self) -> str:
        """A second run changes nothing and keeps the host."""
        changed = self.playbook("provision")
        if any(changed.values()):
            raise Failed(f"The second provision.yml changed something ({changed}), and nothing was expected to change.")
        if [i["InstanceId"] for i in self.instances()] != [self.seen["id"]]:
            raise Failed("The second provision.yml did not keep the instance.")
        return f"changed=0, still {self.seen['id']}"

    def configure(self) -> str:
        """On its own it finds the environment, the notebook and the labs as they are."""
        changed = self.playbook("configure")
        if any(changed.values()):
            raise Failed(f"configure.yml changed something ({changed}), and provision.yml had configured the host.")
        return "changed=0"

    def benchmark(self) -> str:
        """On its own the benchmark finds its result, and draws the same picture beside it."""
        picture = REPORT.with_name(f"{HOST}-benchmark.svg")
        drawn = picture.read_bytes()
        self.playbook("benchmark")
        if picture.read_bytes() != drawn:
            raise Failed(f"benchmark.yml measured again and changed {picture.name}, and the result was there.")
        return str(picture.relative_to(settings.ROOT))

    def status(self) -> str:
        """What an everyday look shows."""
        self.playbook("status")
        return "shown"

    def stop(self) -> str:
        """Nothing runs, nothing but the disk is paid for."""
        self.playbook("stop")
        (instance,) = self.instances()
        if instance["State"]["Name"] != "stopped":
            raise Failed(f"After stop.yml the host is {instance['State']['Name']}, and stopped was expected.")
        return "stopped"

    def start(self) -> str:
        """The address is another one, and ssh by name still works with the same pinned key."""
        self.playbook("start")
        (instance,) = self.instances()
        address = instance["PublicIpAddress"]
        if address == self.seen["address"]:
            raise Failed(f"After a stop and a start the address is still {address}, and AWS would have given another.")
        self.ssh("true")
        return f"{self.seen['address']} became {address}, ssh follows"

    def deadline(self) -> str:
        """When its budget is spent the host stops, though nobody is there to stop it."""
        report = json.loads(REPORT.read_text())
        hours = 1 + report["money"]["budget_usd"] / report["price"]["usd_per_hour"]
        session.request(self.url, "clock", "POST", {"advance_seconds": int(hours * 3600)})
        for _ in range(60):
            (instance,) = self.instances()
            if instance["State"]["Name"] == "stopped":
                return f"{hours:.1f} hours later its schedule has stopped it"
            time.sleep(1)
        raise Failed(f"Past its deadline the host is {instance['State']['Name']}, and stopped was expected.")

    def teardown(self) -> str:
        """Everything goes, and nothing is written after the proof."""
        self.playbook("teardown")
        calls = session.request(self.url, "calls")
        launches = [c for c in calls if c["action"] == "RunInstances"]
        if len(launches) != 1:
            raise Failed(f"RunInstances was called {len(launches)} times in the journey, and once was expected.")
        last_write = max(n for n, c in enumerate(calls) if c["write"])
        proof = [c["action"] for c in calls[last_write + 1 :]]
        if "DescribeTags" not in proof:
            raise Failed(f"After the last write came only {proof}: the proof of the teardown is missing.")
        left = self.remains()
        if left:
            raise Failed(f"After teardown.yml these remain: {', '.join(left)}.")
        return f"nothing remains; {len(calls)} AWS calls in all, {sum(c['write'] for c in calls)} of them writes"

    def remains(self) -> list[str]:
        """Return what the embedded EC2 still has that the journey could have made."""
        ec2 = self.client("ec2")
        mine = [{"Name": "tag:gpulab:deployment", "Values": [environment.DEPLOYMENT]}]
        found = [i["InstanceId"] for i in self.instances()]
        found += [v["VolumeId"] for v in ec2.describe_volumes()["Volumes"]]
        found += [k["KeyName"] for k in ec2.describe_key_pairs()["KeyPairs"]]
        return found + [g["GroupId"] for g in ec2.describe_security_groups(Filters=mine)["SecurityGroups"]]

    def secrets(self) -> str:
        """Nothing that the playbooks said, at whatever verbosity, has a secret in it."""
        folder = settings.ROOT / ".gpulab" / environment.DEPLOYMENT
        if told := canary.told(self.said, canary.secrets(self.env, folder, self.seen["token"])):
            raise Failed(f"The playbooks told the {' and the '.join(told)}, and nothing secret was expected.")
        return f"none in {len(self.said)} lines"

    def gone(self) -> str:
        """The cloud itself goes, with every container and process."""
        session.down()
        left = leftovers(settings.STATE)
        if left:
            raise Failed(f"After the rehearsal these are left on this machine: {', '.join(left)}.")
        return "no container, no process, no state"


STAGES = {
    "account": Journey.account,
    "provision": Journey.provision,
    "report": Journey.report,
    "login": Journey.login,
    "notebook": Journey.notebook,
    "provision again": Journey.again,
    "configure": Journey.configure,
    "benchmark": Journey.benchmark,
    "status": Journey.status,
    "stop": Journey.stop,
    "start": Journey.start,
    "deadline": Journey.deadline,
    "teardown": Journey.teardown,
    "secrets": Journey.secrets,
    "down": Journey.gone,
}


def run(extra: list[str], verbose: int = 0) -> int:
    """Run the whole journey with extra variables and so many v's; return the exit code. The cloud is always removed."""
    if session.running():
        print(
            "A rehearsal cloud is already up in this clone: end it with bin/rehearse down, and start again.",
            file=sys.stderr,
        )
        return 1
    # A terminated rehearsal cleans up as an interrupted one does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    began = time.monotonic()
    code = 0
    try:
        cloud = session.up()
        journey = Journey(cloud["url"], environment.process(cloud["url"]), extra, verbose=verbose)
        for name, act in STAGES.items():
            journey.stage(name, lambda act=act: act(journey))  # type: ignore[misc]
    except Failed as failed:
        print(f"\nREHEARSAL FAILED: {failed}", file=sys.stderr)
        code = 1
    except KeyboardInterrupt:
        print("\nInterrupted: removing the cloud and its hosts.", file=sys.stderr)
        code = 130
    finally:
        session.down()
    if code == 0:
        print(summary(journey.took, time.monotonic() - began))
    return code


def summary(took: list[tuple[str, float, str]], total: float) -> str:
    """Return the closing table."""
    width = max(len(name) for name, _, _ in took)
    lines = [f"  {name:<{width}}  {seconds:6.1f} s  {outcome}" for name, seconds, outcome in took]
    page = Path("reports") / environment.DEPLOYMENT / f"{HOST}.html"
    closing = f"REHEARSED in {total:.0f} s. Report: {page}. Nothing here met real AWS or a GPU."
    return "\n".join(["", "=== Summary ===", *lines, closing])
