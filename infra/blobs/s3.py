"""Files in a bucket of S3, or of a server that speaks it, encrypted by the server."""

import asyncio
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime
from functools import cached_property, partial
from typing import Any, cast

from boto3.session import Session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, SSLError

from domain.errors import Invalid
from infra.blobs.model import (
    About,
    Blob,
    Damaged,
    Flow,
    Opened,
    Parts,
    Unavailable,
    checked,
    not_found,
)
from infra.blobs.tape import PART, Tape
from infra.links import disposition, served
from infra.settings import Settings

CHUNK = 1 << 18  # bytes of a read
PAGE = 1_000  # keys of a listing, S3's most
THREADS = 16  # of its own: a bucket that hangs holds up nothing else
CONNECT_S, READ_S, ATTEMPTS = 3.0, 15.0, 2
ANSWER_S = 3.0  # for what only reads, which may be given up at any time
READS = frozenset({"get_object", "head_object", "head_bucket", "list_objects_v2"})
MISSING = frozenset({"404", "NoSuchKey"})
NO_PARTS = frozenset({"InvalidPart", "InvalidPartOrder", "EntityTooSmall", "MalformedXML"})


class S3:
    """Every call is bounded in time. Raises Unavailable for all that S3 does not do."""

    def __init__(self, settings: Settings) -> None:
        self._settings, self._bucket = settings, settings.aws_s3_bucket
        self._client = _client(settings)
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="s3")
        self._sealing = (
            {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": settings.aws_kms_key_id}
            if settings.aws_kms_key_id
            else {"ServerSideEncryption": "AES256"}
        )

    def close(self) -> None:
        self._threads.shutdown(wait=False)
        self._client.close()

    @cached_property
    def _plain(self) -> Any:
        """Asks for no checksums: those who bring parts themselves send none."""
        return _client(self._settings, checksums="when_required")

    async def stage(self, about: About, tape: Tape) -> "StagedWhole | StagedParts":
        checked(about.key)
        part = await tape.part()
        if len(part) < PART:
            return StagedWhole(self, about, part)
        staged = StagedParts(self, about)
        try:
            await staged.begin()
            while part:
                await staged.add(part)
                part = await tape.part() if len(part) == PART else bytearray()
        except BaseException:
            await staged.discard()
            raise
        return staged

    async def open(self, key: str, start: int = 0, end: int | None = None) -> Opened:
        """Its bytes from `start` to before `end`. Raises NotFound."""
        if end is not None and end <= start:
            return Opened(await self.head(key), Flow(iter(()), int))
        wanted = {"Range": f"bytes={start}-{'' if end is None else end - 1}"}
        try:
            asked = wanted if start or end is not None else {}
            answer = await self.ask("get_object", Key=checked(key), **asked)
        except _Beyond:
            return Opened(await self.head(key), Flow(iter(()), int))
        body = answer["Body"]
        total = answer.get("ContentRange", "").rpartition("/")[2] or answer["ContentLength"]
        flow = Flow(_pieces(key, body, answer["ContentLength"]), body.close, self._threads)
        return Opened(_described(key, answer, int(total)), flow)

    async def head(self, key: str) -> Blob:
        """Raises NotFound."""
        answer = await self.ask("head_object", Key=checked(key))
        return _described(key, answer, answer["ContentLength"])

    async def delete(self, key: str) -> None:
        await self.ask("delete_object", Key=checked(key))

    async def listed(self, prefix: str, after: str, limit: int) -> list[tuple[str, datetime]]:
        found: list[tuple[str, datetime]] = []
        while len(found) < limit:
            most = min(PAGE, limit - len(found))
            page = await self.ask("list_objects_v2", Prefix=prefix, StartAfter=after, MaxKeys=most)
            found += [(one["Key"], one["LastModified"]) for one in page.get("Contents", ())]
            if not page["IsTruncated"]:
                break
            after = found[-1][0]
        return found

    async def probe(self) -> None:
        await self.ask("head_bucket")

    async def forget_unfinished(self, older_than: datetime) -> None:
        """Parts of uploads that were never completed; those of a process that was killed."""
        page = await self.ask("list_multipart_uploads")
        for one in page.get("Uploads", ()):
            if one["Initiated"] < older_than:
                await self.ask("abort_multipart_upload", Key=one["Key"], UploadId=one["UploadId"])

    async def begin_parts(self, key: str, sizes: Sequence[int], lives_s: int) -> Parts:
        """Each is signed with its length: S3 takes no more and no less."""
        answer = await self.ask("create_multipart_upload", self._plain, Key=key, **self._sealing)
        which = {"Bucket": self._bucket, "Key": key, "UploadId": answer["UploadId"]}

        def signed() -> tuple[str, ...]:
            sign = partial(self._client.generate_presigned_url, "upload_part", ExpiresIn=lives_s)
            return tuple(
                sign(Params={**which, "PartNumber": number, "ContentLength": size})
                for number, size in enumerate(sizes, 1)
            )

        urls = await asyncio.get_running_loop().run_in_executor(self._threads, signed)
        return Parts(which["UploadId"], urls)

    async def join_parts(self, key: str, upload: str, etags: Sequence[str]) -> None:
        """Raises Invalid where they are not those that came. What was joined before stays so."""
        parts = [{"PartNumber": number, "ETag": tag} for number, tag in enumerate(etags, 1)]
        which = {"Key": key, "UploadId": upload, "MultipartUpload": {"Parts": parts}}
        try:
            await self.ask("complete_multipart_upload", **which)
        except Unavailable as error:
            code = _code(error.__cause__)
            if code in NO_PARTS:
                raise Invalid("upload.wrong_parts", why=code) from None
            if code != "NoSuchUpload":
                raise

    async def drop_parts(self, key: str, upload: str) -> None:
        try:
            await self.ask("abort_multipart_upload", Key=key, UploadId=upload)
        except Unavailable as error:
            if _code(error.__cause__) != "NoSuchUpload":
                raise

    def link(self, key: str, name: str, content_type: str, seconds: int) -> str:
        """Opens the file for everybody who has it (Signature Version 4, a week at most)."""
        asked = {
            "Bucket": self._bucket,
            "Key": checked(key),
            "ResponseContentDisposition": disposition(name),
            "ResponseContentType": served(content_type),
        }
        return self._client.generate_presigned_url("get_object", Params=asked, ExpiresIn=seconds)

    def facts(self, about: About) -> dict[str, Any]:
        """What is said of it when it is put: a CDN's links cannot say how to serve it."""
        name = urlsafe_b64encode(about.name.encode()).decode()
        return {
            "Key": about.key,
            "ContentType": served(about.content_type),
            "ContentDisposition": disposition(about.name),
            "Metadata": {"name": name, "type": about.content_type},
            **self._sealing,
        }

    async def ask(self, what: str, by: Any = None, **arguments: Any) -> Any:
        call = partial(getattr(by or self._client, what), Bucket=self._bucket, **arguments)
        try:
            async with asyncio.timeout(ANSWER_S if what in READS else None):
                return await asyncio.get_running_loop().run_in_executor(self._threads, call)
        except TimeoutError:
            raise Unavailable(f"S3 does not {what} in {ANSWER_S:g} s") from None
        except ClientError as error:
            code = _code(error)
            if code in MISSING:
                raise not_found(arguments.get("Key", self._bucket)) from None
            if code in {"InvalidRange", "416"}:
                raise _Beyond from None
            raise Unavailable(f"S3 does not {what}: {code}") from error
        except SSLError as error:
            why: object = cast(Any, error).kwargs[
                "error"
            ]  # the whole would have the address, which names a file
            raise Unavailable(f"S3's certificate is refused: {why}") from error
        except BotoCoreError as error:
            raise Unavailable(f"S3 does not {what}: {type(error).__name__}") from error


class StagedWhole:
    """Small enough to be held: nothing is sent until it is to be seen."""

    def __init__(self, s3: S3, about: About, content: bytearray) -> None:
        self._s3, self._about, self._content = s3, about, content

    async def commit(self) -> Blob:
        await self._s3.ask("put_object", Body=self._content, **self._s3.facts(self._about))
        return await _verified(self._s3, self._about.key, len(self._content))

    async def discard(self) -> None:
        return


class StagedParts:
    """A multipart upload. S3 checks each part by the CRC that botocore sends with it."""

    def __init__(self, s3: S3, about: About) -> None:
        self._s3, self._about = s3, about
        self._upload = ""
        self._parts: list[dict[str, Any]] = []
        self._bytes = 0

    async def begin(self) -> None:
        answer = await self._s3.ask("create_multipart_upload", **self._s3.facts(self._about))
        self._upload = answer["UploadId"]

    async def add(self, part: bytearray) -> None:
        number = len(self._parts) + 1
        answer = await self._s3.ask("upload_part", PartNumber=number, Body=part, **self._which())
        sums = {name: value for name, value in answer.items() if name == "ChecksumCRC32"}
        self._parts.append({"PartNumber": number, "ETag": answer["ETag"], **sums})
        self._bytes += len(part)

    async def commit(self) -> Blob:
        whole = {"Parts": self._parts}
        await self._s3.ask("complete_multipart_upload", MultipartUpload=whole, **self._which())
        return await _verified(self._s3, self._about.key, self._bytes)

    async def discard(self) -> None:
        """Where this fails as well, Blobs.prune does it later."""
        with suppress(Exception):
            await self._s3.ask("abort_multipart_upload", **self._which())

    def _which(self) -> dict[str, str]:
        return {"Key": self._about.key, "UploadId": self._upload}


class _Beyond(Exception):
    """There is nothing in that range."""


async def _verified(s3: S3, key: str, size: int) -> Blob:
    blob = await s3.head(key)
    if blob.bytes != size:
        raise Damaged(f"{key}: S3 has {blob.bytes} bytes of {size}")
    return blob


def _client(settings: Settings, checksums: str = "when_supported") -> Any:
    own = settings.aws_endpoint_url
    config = Config(
        connect_timeout=CONNECT_S,
        read_timeout=READ_S,
        retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
        max_pool_connections=2 * THREADS,
        signature_version="s3v4",
        request_checksum_calculation=checksums,
        # Servers of one's own rarely have a host name for each bucket.
        s3={"addressing_style": "path" if own else "virtual"},
    )
    session: Any = Session(
        aws_access_key_id=settings.aws_access_key_id,
        aws_secret_access_key=settings.aws_secret_access_key,
        region_name=settings.aws_region,
    )
    ca = settings.aws_ca_bundle or None
    return session.client("s3", endpoint_url=own or None, verify=ca, config=config)


def _code(error: Any) -> str:
    """Of what S3 answered; "" where it did not."""
    return getattr(error, "response", {}).get("Error", {}).get("Code", "")


def _described(key: str, answer: Any, size: int) -> Blob:
    said = answer["Metadata"]
    name = urlsafe_b64decode(said.get("name", "")).decode()
    content_type = said.get("type", answer["ContentType"])
    return Blob(key, name, content_type, size, answer["LastModified"])


def _pieces(key: str, body: Any, size: int) -> Iterator[bytes]:
    """Raises Unavailable where the connection ends before the content does."""
    try:
        for piece in body.iter_chunks(CHUNK):
            size -= len(piece)
            yield piece
    except Exception as error:  # of botocore, urllib3 and the socket
        raise Unavailable(f"S3 stopped in the middle of {key}: {type(error).__name__}") from error
    if size:
        raise Unavailable(f"S3 stopped in the middle of {key}")
