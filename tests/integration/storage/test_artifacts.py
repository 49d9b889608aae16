"""Log files are written whole, found by their rows, without secrets, and go once no row has them."""

import os
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from app import logs
from app.domain.artifacts import ArtifactKind, Periods, artifact_id
from app.domain.checks import Checkpoint, CheckResult, Conclusion
from app.domain.ports import Checked
from app.storage.artifacts import Artifacts
from app.storage.records import LeasedRecords
from workers.archive import GRACE, LARGEST, Archive
from workers.transcripts import build_log_url, with_logs

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def archive(pool, tmp_path) -> Archive:
    return Archive(tmp_path, Artifacts(pool), lambda: NOW, Periods())


@pytest.fixture
def write(pool, leases, project_id):
    """Write facts under a lease."""

    async def ring(_: object) -> None:
        return

    async def written(*facts: object) -> None:
        async with leases.hold(project_id) as lease:
            await LeasedRecords(pool, lease, project_id, ring).write(*facts)

    return written


def age(tmp_path, seconds: float) -> None:
    for path in (tmp_path / "artifacts").glob("??/*"):
        os.utime(path, (time.time() - seconds,) * 2)


def files(tmp_path) -> set[str]:
    return {path.name for path in (tmp_path / "artifacts").glob("??/*")}


async def test_a_file_is_found_by_its_row_with_all_that_is_known_of_it(archive, write, pool, project_id):
    kept = await archive.keep(project_id, ArtifactKind.build_log, "abc:tests", "Tests", "all is well\n")
    assert await Artifacts(pool).get(project_id, kept.id) is None  # nobody knows it before it is a fact
    await write(kept)
    assert await Artifacts(pool).get(project_id, kept.id) == kept
    assert kept.id == artifact_id(project_id, ArtifactKind.build_log, "abc:tests")
    assert kept.expires_at == NOW + timedelta(days=30)
    assert await archive.read(kept.id) == b"all is well\n"
    assert (kept.size, kept.location) == (12, f"{kept.id.hex[:2]}/{kept.id}.log")
    assert await Artifacts(pool).get(uuid4(), kept.id) is None  # of another project


async def test_written_again_it_is_one_file_and_one_row_and_the_newer_one(archive, write, pool, project_id, tmp_path):
    for text in ("first", "second"):
        await write(await archive.keep(project_id, ArtifactKind.agent_log, "visit", "A visit", text))
    listed = await Artifacts(pool).of_project(project_id)
    assert [line.size for line in listed.artifacts] == [len("second")]
    assert len(files(tmp_path)) == 1


async def test_no_secret_is_in_a_file(archive, project_id, monkeypatch):
    monkeypatch.setattr(logs, "_known", {"the operator's secret"})
    said = "the operator's secret, ghs_16C7e42F292c6912E7710c838347Ae178B4a, postgresql://aurora:hunter22@db/aurora"
    kept = await archive.keep(project_id, ArtifactKind.agent_log, "visit", "A visit", said)
    text = (await archive.read(kept.id)).decode()
    assert "secret]" in text
    for secret in ("the operator's secret", "ghs_16C7", "hunter22"):
        assert secret not in text


async def test_what_no_row_has_goes_after_a_day_and_the_rest_stays(archive, write, project_id, tmp_path):
    known = await archive.keep(project_id, ArtifactKind.build_log, "known", "t", "x")
    await write(known)
    await archive.keep(project_id, ArtifactKind.build_log, "orphan", "t", "x")
    (tmp_path / "artifacts" / "aa").mkdir(exist_ok=True)
    (tmp_path / "artifacts" / "aa" / "tmpabc.new").write_text("a writer was killed here")
    assert await archive.tidy() == 0  # their rows may be about to be written
    age(tmp_path, GRACE + 60)
    assert await archive.tidy() == 2
    assert files(tmp_path) == {f"{known.id}.log"}
    assert await archive.tidy() == 0


async def test_ten_thousand_files_whose_rows_are_gone_go_quickly(archive, tmp_path):
    store = archive.store
    for _ in range(10_000):
        identity = uuid4()
        path = tmp_path / "artifacts" / identity.hex[:2] / f"{identity}.log"
        path.parent.mkdir(exist_ok=True)
        path.write_text("x")
    age(tmp_path, GRACE + 60)
    began = time.monotonic()
    assert await archive.tidy() == 10_000
    print(f"10,000 files in {time.monotonic() - began:.1f} s")
    assert files(tmp_path) == set()
    assert archive.store == store


async def test_workers_of_one_data_directory_share_its_name(pool, tmp_path):
    one, other = (Archive(tmp_path, Artifacts(pool), lambda: NOW, Periods()) for _ in range(2))
    elsewhere = Archive(tmp_path / "elsewhere", Artifacts(pool), lambda: NOW, Periods())
    assert one.store == other.store != elsewhere.store


async def test_a_full_disk_costs_the_log_and_not_the_work(archive, project_id, tmp_path):
    assert archive.store
    identity = artifact_id(project_id, ArtifactKind.build_log, "n")
    (tmp_path / "artifacts" / identity.hex[:2]).write_text("a file where a directory should be")
    assert await archive.keep(project_id, ArtifactKind.build_log, "n", "t", "x") is None


async def test_an_attempt_that_failed_has_a_build_log_of_its_own(archive, write, pool, project_id):
    """Beside the commit's: whoever asks for one doesn't get the other."""
    task = uuid4()
    result = CheckResult(
        checkpoint=Checkpoint.tests, conclusion=Conclusion.failed, title="1 of 9 failed", summary="Ran `pytest`.",
        log="E  assert 1 == 2", started_at=NOW, completed_at=NOW,
    )  # fmt: skip
    failed = Checked(None, result, task, 2, round=0)
    found = await with_logs(archive, project_id, [failed, replace(failed, attempt=1), Checked("c0", result, task, 3)])
    await write(*found)
    logs = [one.log for one in found if one.log]
    assert len({log.id for log in logs}) == 3
    text = (await archive.read(logs[0].id)).decode()
    assert "attempt 2 of round 1, which failed" in text
    assert "E  assert 1 == 2" in text
    assert "commit" not in text
    titles = {line.title for line in (await Artifacts(pool).of_project(project_id)).artifacts}
    assert "aurora / tests on attempt 2 of round 1, which failed" in titles
    assert "aurora / tests on c0" in titles
    assert build_log_url("http://a", project_id, "c0", result).endswith(str(logs[2].id))


async def test_only_workers_that_were_heard_of_lately_are_asked(pool, archive):
    artifacts = Artifacts(pool)
    await artifacts.here("gone", archive.store, "http://gone:1")
    await pool.execute("UPDATE artifact_hosts SET seen_at = now() - interval '1 hour'")
    await artifacts.here("here", archive.store, "http://here:1")
    await artifacts.here("other", uuid4(), "http://other:1")
    assert await artifacts.hosts(archive.store) == ["http://here:1"]


async def test_a_secret_where_a_long_log_is_cut_is_hidden_whole(archive, project_id):
    token = "ghs_" + "Ab1" * 12
    for before in (4, 20, 39):
        text = "." * (LARGEST // 2 - before) + token + "." * LARGEST
        kept = await archive.keep(project_id, ArtifactKind.build_log, f"{before}", "Tests", text)
        assert b"ghs_" not in await archive.read(kept.id)
