"""What Prometheus, its alerts and Grafana's dashboard are told is there: metrics, labels, files, names, periods."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import Counter, Histogram

from app import metrics
from app.settings import Settings

ROOT = Path(__file__).parents[3]
ALERTS = ROOT / "docker/prometheus/alerts.yml"
NAME = re.compile(r"\baurora_[a-z_]+")
GROUPED = re.compile(r"by \(([a-z_, ]+)\)")


def expressions() -> Iterator[tuple[str, str]]:
    """Yield every query of the dashboard and the alerts with its name."""
    for panel in json.loads((ROOT / "docker/grafana/dashboards/aurora.json").read_text())["panels"]:
        for target in panel.get("targets", ()):
            yield panel["title"], target["expr"]
    for rule in alerts():
        yield rule["alert"], rule["expr"]


def alerts() -> list[dict[str, Any]]:
    """Return the alerts that are shipped."""
    rules: list[dict[str, Any]] = yaml.safe_load(ALERTS.read_text())["groups"][0]["rules"]
    return rules


def declared() -> dict[str, tuple[str, ...]]:
    """Return the labels of every series that is exposed."""
    found: dict[str, tuple[str, ...]] = {}
    for metric in vars(metrics).values():
        if not hasattr(metric, "_labelnames"):
            continue
        name, labels = metric._name, tuple(metric._labelnames)
        if isinstance(metric, Counter):
            found[f"{name}_total"] = labels
        elif isinstance(metric, Histogram):
            found |= {f"{name}_sum": labels, f"{name}_count": labels, f"{name}_bucket": (*labels, "le")}
        else:
            found[name] = labels
    return found


@pytest.mark.parametrize(("name", "expression"), list(expressions()))
def test_a_query_is_of_metrics_and_labels_that_there_are(name, expression):
    known = declared()
    used = set(NAME.findall(expression))
    assert used <= known.keys(), name
    labels = {label for metric in used for label in known[metric]} | {"job", "instance"}
    for group in GROUPED.findall(expression):
        assert {label.strip() for label in group.split(",")} <= labels, name


def test_every_metric_is_shown_or_watched_or_said_why_not():
    unseen = {
        "aurora_deliveries_parked_total",  # the gauge of those that stand is
        "aurora_delivery_oldest_seconds",  # as the queue `deliveries`
        "aurora_doorbell_failures_total",
        "aurora_deliveries_requested_again_total",
        "aurora_github_blocked_until_seconds",
        "aurora_github_limited_total",
        "aurora_github_wait_seconds_total",
        "aurora_retention_removed_total",
    }
    used = {name for _, expression in expressions() for name in NAME.findall(expression)}
    series = {re.sub(r"_(bucket|sum|count)$", "", name) for name in declared()}
    assert series - {re.sub(r"_(bucket|sum|count)$", "", name) for name in used} == unseen


@pytest.mark.skipif(not shutil.which("promtool"), reason="Prometheus isn't installed: apt-get install prometheus")
@pytest.mark.parametrize(
    ("tidied", "up", "fires"),
    [
        ("0+0x480", "server", {7: "RetentionNever"}),  # never
        ("0+0x60 3600+0x420", "server", {8: "RetentionLate"}),  # once, after an hour
        ("0+0x5 " + " ".join(f"{hour * 3600}+0x59" for hour in range(8)), "server", {}),
        ("0+0x480", "worker", {}),  # workers tell 0 always
        ("0+0x300 _x10 0+0x170", "server", {}),  # started again meanwhile
    ],
)
def test_retention_that_stopped_or_never_began_is_told(tmp_path, tidied, up, fires):
    """Played to Prometheus's own evaluation, a sample each minute."""
    rules = {"RetentionLate", "RetentionNever"}
    summaries = {rule["alert"]: rule["annotations"] for rule in alerts() if rule["alert"] in rules}
    cases = [
        {
            "eval_time": f"{hour}h",
            "alertname": name,
            "exp_alerts": [{"exp_annotations": summaries[name]}] if fires.get(hour) == name else [],
        }
        for hour in (1, 5, *fires)
        for name in rules
    ]
    series = [{"series": f'aurora_retention_last_seconds{{job="{up}"}}', "values": tidied}]
    test = {
        "rule_files": [str(ALERTS)],
        "tests": [{"interval": "1m", "input_series": series, "alert_rule_test": cases}],
    }
    (tmp_path / "test.yml").write_text(yaml.safe_dump(test))
    played = subprocess.run(
        ["promtool", "test", "rules", tmp_path / "test.yml"], capture_output=True, timeout=60, text=True, check=False
    )
    assert played.returncode == 0, played.stdout + played.stderr


def test_docker_compose_brings_what_the_files_name():
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    prometheus, grafana, worker = (compose["services"][name] for name in ("prometheus", "grafana", "worker"))
    assert "--storage.tsdb.retention.time=${AURORA_KEEP_METRICS:-15d}" in prometheus["command"]
    for service in (prometheus, grafana):
        for volume in service["volumes"]:
            source = volume.split(":")[0]
            assert (ROOT / source).is_dir() if source.startswith(".") else source in compose["volumes"], volume
    settings = yaml.safe_load((ROOT / "docker/prometheus/prometheus.yml").read_text())
    jobs = {job["job_name"]: job for job in settings["scrape_configs"]}
    found = jobs["worker"]["dns_sd_configs"][0]
    assert (found["names"], found["port"]) == (["worker"], worker["environment"]["AURORA_WORKER_PORT"])
    assert jobs["server"]["static_configs"][0]["targets"] == ["server:8000"]
    assert all((ROOT / "docker/prometheus" / file).is_file() for file in settings["rule_files"])
    source = yaml.safe_load((ROOT / "docker/grafana/provisioning/datasources/prometheus.yml").read_text())
    board = json.loads((ROOT / "docker/grafana/dashboards/aurora.json").read_text())
    used = {panel["datasource"]["uid"] for panel in board["panels"] if "datasource" in panel}
    assert used == {source["datasources"][0]["uid"]}


def test_the_periods_are_those_of_the_specification():
    periods = Settings(_env_file=None).periods()
    assert (periods.test_results.days, periods.build_logs.days, periods.agent_logs.days) == (90, 30, 30)
    assert (periods.task_history.days, periods.session.total_seconds()) == (365, 3600)
