"""Tests of `miniwdl_aws.staging.transfer` and of what it stands on."""

import base64
import dataclasses
import hashlib
import zlib
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from miniwdl_aws.errors import AwsError, AwsThrottledError, StagingError
from miniwdl_aws.staging import parts
from miniwdl_aws.staging.parts import Part, partial_file
from miniwdl_aws.staging.store import Store
from miniwdl_aws.staging.transfer import FRUITLESS_TRIES, Transfer

CONTENT = bytes(range(256)) * 40


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten parts of 1,024 bytes."""
    monkeypatch.setattr(parts, "PART_BYTES", 1024)


@pytest.fixture
def bring(transfer: Transfer, store: Store, s3: Any, tmp_path: Path) -> Any:
    """Bring an object of any content; gives the file."""

    def go(content: bytes = CONTENT, **changes: Any) -> Path:
        s3.objects.setdefault("k", content)
        target = tmp_path / "there" / "k"
        changed = dataclasses.replace(transfer, **changes)
        changed.bring(store.find("s3://b/k"), tmp_path / "making" / "k", target)
        return target

    return go


def ranges(s3: Any) -> list[str]:
    return sorted(what for operation, what in s3.calls if operation == "GetObject")


def test_an_object_comes_in_parts(bring: Any, s3: Any, tmp_path: Path) -> None:
    """Each part is asked for once; the file has all bytes and the object's time."""
    path = bring()
    assert path.read_bytes() == CONTENT
    assert len(ranges(s3)) == 10
    assert path.stat().st_mtime == s3.head_object(Bucket="b", Key="k")["LastModified"].timestamp()
    assert list((tmp_path / "making").iterdir()) == []


def test_an_empty_object_asks_for_nothing(bring: Any, s3: Any) -> None:
    """No range of it could be asked for."""
    assert bring(b"").read_bytes() == b""
    assert ranges(s3) == []


def test_a_body_that_breaks_off_goes_on_where_it_ended(bring: Any, s3: Any) -> None:
    """No byte that has come is asked for again."""
    s3.break_after = [100]
    assert bring(CONTENT[:1024]).read_bytes() == CONTENT[:1024]
    assert ranges(s3) == ["bytes=0-1023", "bytes=100-1023"]


def test_a_slow_s3_is_asked_again(bring: Any, s3: Any, make_error: Any) -> None:
    """What passes is waited for, longer each time."""
    s3.objects["k"] = CONTENT[:10]
    waits: list[float] = []

    def refuse_at_first() -> None:
        s3.errors = [make_error("SlowDown")] if len(waits) < 3 else []

    s3.before_get = refuse_at_first
    assert bring(sleep=waits.append).read_bytes() == CONTENT[:10]
    assert waits == sorted(waits)
    assert len(set(waits)) == 3


def test_it_gives_up_when_nothing_comes(bring: Any, s3: Any, make_error: Any) -> None:
    """Tries that bring no byte are counted to a bound."""
    s3.objects["k"] = CONTENT[:10]
    s3.before_get = lambda: s3.errors.append(make_error("SlowDown"))
    with pytest.raises(AwsThrottledError):
        bring()
    assert len(ranges(s3)) == FRUITLESS_TRIES


def test_what_came_is_not_fetched_again_by_another_process(bring: Any, s3: Any) -> None:
    """After an interruption what had come is not asked for; what was on its way may be."""
    s3.objects["k"] = CONTENT
    gets = 0

    def end_after_six() -> bool:
        nonlocal gets
        gets += 1
        return gets > 6

    with pytest.raises(StagingError, match="the run is being ended"):
        bring(terminating=end_after_six)
    fetched = set(ranges(s3))
    s3.calls.clear()
    assert bring().read_bytes() == CONTENT
    assert fetched - set(ranges(s3))
    assert len(fetched | set(ranges(s3))) == 10


def test_a_change_meanwhile_is_noticed(bring: Any, s3: Any) -> None:
    """Bytes of two versions are never mixed."""
    s3.before_get = lambda: s3.objects.update(k=CONTENT[::-1])
    with pytest.raises(AwsError) as caught:
        bring()
    assert caught.value.code == "PreconditionFailed"


@pytest.mark.parametrize(
    "told",
    [
        {},
        {"ETag": '"e"', "ChecksumSHA256": "AAAA"},
        {"ETag": '"e"', "ChecksumSHA1": "AAAA"},
        {"ETag": '"e"', "ChecksumCRC32": "AAAA"},
    ],
)
def test_damage_is_noticed_and_thrown_away(
    bring: Any, s3: Any, tmp_path: Path, told: dict[str, str]
) -> None:
    """What differs from the checksum or MD5 that S3 tells never gets to its place."""
    s3.objects["k"] = CONTENT
    s3.more["k"] = told or {"ETag": '"00000000000000000000000000000000"'}
    with pytest.raises(StagingError, match="s3://b/k arrived damaged"):
        bring()
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize(
    "told",
    [
        {"ServerSideEncryption": "aws:kms"},
        {"SSECustomerAlgorithm": "AES256"},
        {"ETag": '"00000000000000000000000000000000-2"'},
    ],
)
def test_an_etag_that_is_no_md5_proves_nothing(bring: Any, s3: Any, told: dict[str, str]) -> None:
    """Objects put in parts, or encrypted by other keys than S3's own, have other ETags."""
    s3.more["k"] = {"ETag": '"00000000000000000000000000000000"', **told}
    assert bring().read_bytes() == CONTENT


def composite(name: str, content: bytes, part_bytes: int) -> bytes:
    """Do as S3 does for an object that is put in parts."""

    def digest(data: bytes) -> bytes:
        if name == "CRC32":
            return zlib.crc32(data).to_bytes(4, "big")
        return hashlib.new(name, data, usedforsecurity=False).digest()

    begins = range(0, len(content), part_bytes)
    return digest(b"".join(digest(content[begin : begin + part_bytes]) for begin in begins))


@pytest.mark.parametrize("damaged", [False, True])
@pytest.mark.parametrize("part_bytes", [3000, 1024, len(CONTENT)])
@pytest.mark.parametrize("name", ["MD5", "SHA1", "SHA256", "CRC32"])
def test_an_object_that_was_put_in_parts_is_verified(
    bring: Any, s3: Any, name: str, part_bytes: int, damaged: bool
) -> None:
    """By the checksum of its parts' checksums, or by an ETag that is an MD5 of MD5s."""
    count = -(-len(CONTENT) // part_bytes)
    found = composite(name, CONTENT, part_bytes)
    told = {"ETag": f'"{found.hex()}-{count}"'}
    if name != "MD5":
        text = f"{base64.b64encode(found).decode()}-{count}"
        told = {
            "ETag": f'"0-{count}"',
            f"Checksum{name}": text,
            "ChecksumType": "COMPOSITE",
            "ServerSideEncryption": "aws:kms",
        }
    s3.more["k"], s3.parts["k"] = told, [part_bytes]
    if not damaged:
        assert bring().read_bytes() == CONTENT
        return
    with pytest.raises(StagingError, match=f"arrived damaged: {name} "):
        bring(CONTENT[:-1] + b"?")


@pytest.mark.parametrize(
    ("part_sizes", "told"),
    [
        pytest.param([5000], {}, id="the parts are not alike"),
        pytest.param([3000], {"ServerSideEncryption": "aws:kms"}, id="the ETag is no MD5"),
    ],
)
def test_parts_that_tell_nothing_prove_nothing(
    bring: Any, s3: Any, part_sizes: list[int], told: dict[str, str], caplog: Any
) -> None:
    """Then the size must do, and the log says so."""
    caplog.set_level("INFO")
    s3.more["k"] = {"ETag": '"00000000000000000000000000000000-4"', **told}
    s3.parts["k"] = part_sizes
    assert bring().read_bytes() == CONTENT
    assert "s3://b/k is verified by its size alone" in caplog.text


def test_who_may_not_ask_for_a_part_gets_the_object(bring: Any, s3: Any, caplog: Any) -> None:
    """What cannot be verified is no worse than what has no checksum."""
    caplog.set_level("INFO")
    s3.more["k"] = {"ETag": '"00000000000000000000000000000000-4"'}
    own = s3.head_object

    def head_object(**asked: Any) -> Any:
        if "PartNumber" in asked:
            refusal: Any = {"Error": {"Code": "AccessDenied", "Message": "no"}}
            raise ClientError(refusal, "HeadObject")
        return own(**asked)

    s3.head_object = head_object
    assert bring().read_bytes() == CONTENT
    assert "the parts of s3://b/k are not known" in caplog.text


def test_the_book_survives_what_a_crash_leaves(tmp_path: Path) -> None:
    """A line that was cut short tells nothing; a book without its file neither."""
    path = tmp_path / "f"
    with partial_file(path, 100) as file:
        file.finish(Part(0, 0, 50))
    with (tmp_path / "f.parts").open("a") as book:
        book.write("1")
    with partial_file(path, 100) as file:
        assert file.done == {0}
    path.unlink()
    with partial_file(path, 100) as file:
        assert file.done == frozenset()
