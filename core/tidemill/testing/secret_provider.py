"""The conformance suite of secret providers.

from tidemill.testing import SecretConformance

class TestVault(SecretConformance):
    def provider_type(self):
        (vault,) = tidemill_vault.tidemill_secrets()
        return vault

    def holding(self, root, values):
        put(values)
        return VaultSettings(...)
"""

# ruff: noqa: S101 -- asserts are what tests are made of
from __future__ import annotations

import asyncio
import secrets
import threading
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest
from pydantic import BaseModel

from tidemill.spi import ProviderContext, SecretError, SecretProvider, SecretProviderType

LIMIT = 60.0
"""Seconds after which anything that a test waits for counts as hung."""

VALUE = "hunter2-correct-horse"
HOSTILE = {
    "PLAIN": VALUE,
    "SPACES": "  a b  c\t",
    "LINES": "-----BEGIN KEY-----\nMIIEvQ\n\nlast\n-----END KEY-----",
    "UNICODE": "ünïcödé 漢字 🙂",
    "QUOTES": 'it\'s "quoted" `so` $HOME $(touch pwned) ${PATH} \\n \\',
    "HASH": "before #after",
    "EQUALS": "a=b=c",
    "JSON": '{"a": ["b", null]}',
    "LONG": "0123456789abcdef" * 2_000,
    "deploy/key.pem": "a-name-with-everything",
}


class SecretConformance:
    """Subclass it as `Test…`, and supply `provider_type`, `holding` and `troubled`."""

    @pytest.fixture(autouse=True)
    def _to_hand(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        self.monkeypatch = monkeypatch
        (tmp_path / "tmp").mkdir()
        monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))

    def provider_type(self) -> SecretProviderType:
        """The provider under test."""
        raise NotImplementedError("a conformance suite needs provider_type()")

    def holding(self, root: Path, values: Mapping[str, str]) -> BaseModel:
        """Makes a place in which these secrets are, and no others of the suite, and returns
        the settings that lead there. `root` is the project's, and empty. `self.monkeypatch`
        undoes what is done with it."""
        raise NotImplementedError("a conformance suite needs holding()")

    def troubled(self, root: Path, values: Mapping[str, str]) -> BaseModel | None:
        """The same, in a place that cannot be read: a key is missing, a service is down.
        None where there is no such thing, as with the process's own variables."""
        raise NotImplementedError("a conformance suite needs troubled()")

    @pytest.mark.asyncio
    async def test_it_has_what_it_holds(self, tmp_path: Path) -> None:
        async with self._provider(tmp_path, {"ONE": "1st", "TWO": "2nd"}) as provider:
            assert await _get(provider, "ONE", "TWO") == {"ONE": "1st", "TWO": "2nd"}

    @pytest.mark.asyncio
    async def test_it_leaves_out_what_it_has_not(self, tmp_path: Path) -> None:
        async with self._provider(tmp_path, {"ONE": "1st"}) as provider:
            assert await _get(provider, "ONE", "OTHER") == {"ONE": "1st"}
            assert await _get(provider, "OTHER") == {}

    @pytest.mark.asyncio
    async def test_it_gives_no_more_than_it_is_asked_for(self, tmp_path: Path) -> None:
        async with self._provider(tmp_path, {"ONE": "1st", "TWO": "2nd"}) as provider:
            assert await _get(provider, "TWO") == {"TWO": "2nd"}
            assert await _get(provider) == {}

    @pytest.mark.asyncio
    async def test_an_empty_value_counts_as_none(self, tmp_path: Path) -> None:
        async with self._provider(tmp_path, {"EMPTY": "", "ONE": "1st"}) as provider:
            found = await _get(provider, "EMPTY", "ONE")
            assert {name: value for name, value in found.items() if value} == {"ONE": "1st"}

    @pytest.mark.asyncio
    @pytest.mark.parametrize("name", HOSTILE)
    async def test_values_arrive_unchanged(self, tmp_path: Path, name: str) -> None:
        async with self._provider(tmp_path, HOSTILE) as provider:
            assert await _get(provider, name) == {name: HOSTILE[name]}
        assert not [path for path in _files(tmp_path) if path.endswith("pwned")]

    @pytest.mark.asyncio
    async def test_many_are_found_at_once(self, tmp_path: Path) -> None:
        many = {f"MANY_{number}": f"value of {number}" for number in range(200)}
        async with self._provider(tmp_path, many) as provider:
            assert await _get(provider, *many) == many

    @pytest.mark.asyncio
    async def test_questions_at_the_same_time_get_their_own_answers(self, tmp_path: Path) -> None:
        many = {f"MANY_{number}": f"value of {number}" for number in range(20)}
        async with self._provider(tmp_path, many) as provider:
            found = await asyncio.gather(*(_get(provider, name) for name in many))
            assert found == [{name: value} for name, value in many.items()]

    @pytest.mark.asyncio
    async def test_a_question_that_is_called_off_does_no_harm(self, tmp_path: Path) -> None:
        async with self._provider(tmp_path, {"ONE": VALUE}) as provider:
            question = asyncio.create_task(_get(provider, "ONE"))
            await asyncio.sleep(0)
            question.cancel()
            await asyncio.wait([question])
            assert await _get(provider, "ONE") == {"ONE": VALUE}

    @pytest.mark.asyncio
    async def test_one_that_cannot_tell_says_so_and_gives_no_value_away(
        self, tmp_path: Path
    ) -> None:
        root = tmp_path / "project"
        root.mkdir()
        settings = self.troubled(root, {"ONE": VALUE})
        if settings is None:
            return  # its author says that it always can tell
        for names in ({"ONE"}, {"OTHER"}):
            async with self._made(settings, root) as provider:
                with pytest.raises(SecretError) as caught:
                    await provider.get(names)
            assert len(str(caught.value).splitlines()) == 1, "a person reads it in one line"
            _assert_not_in(_chain(caught.value), VALUE)

    @pytest.mark.asyncio
    async def test_nothing_is_left_on_disk(self, tmp_path: Path) -> None:
        root = tmp_path / "project"
        root.mkdir()
        settings = self.holding(root, {"ONE": VALUE})
        before = _files(tmp_path)
        async with self._made(settings, root) as provider:
            assert await _get(provider, "ONE") == {"ONE": VALUE}
            assert _files(tmp_path) == before
        assert _files(tmp_path) == before

    @pytest.mark.asyncio
    async def test_no_value_is_on_a_command_line(self, tmp_path: Path) -> None:
        value = secrets.token_hex(12)  # that nobody else has on a command line
        async with self._provider(tmp_path, {"ONE": value}) as provider:
            with _watched_command_lines(value) as seen:
                for _ in range(5):
                    assert await _get(provider, "ONE") == {"ONE": value}
        assert seen == []

    @pytest.mark.asyncio
    async def test_no_value_is_shown_by_the_provider_itself(self, tmp_path: Path) -> None:
        """A log that shows objects must not show them."""
        async with self._provider(tmp_path, {"ONE": VALUE}) as provider:
            await _get(provider, "ONE")
            _assert_not_in(repr(provider), VALUE)

    @pytest.mark.asyncio
    async def test_it_may_be_closed_twice(self, tmp_path: Path) -> None:
        async with self._provider(tmp_path, {"ONE": VALUE}) as provider:
            await _get(provider, "ONE")
            await provider.close()
            await provider.close()

    def test_what_to_do_is_said_by_name(self, tmp_path: Path) -> None:
        advice = self.provider_type().advice
        settings = self.holding(tmp_path, {"ONE": VALUE})
        if advice is not None:
            said = advice(settings, ["FIRST_NAME", "SECOND_NAME"])
            assert "FIRST_NAME" in said
            assert "SECOND_NAME" in said
            _assert_not_in(said, VALUE)

    @asynccontextmanager
    async def _provider(
        self, folder: Path, values: Mapping[str, str]
    ) -> AsyncIterator[SecretProvider]:
        root = folder / "project"
        root.mkdir()
        async with self._made(self.holding(root, values), root) as provider:
            yield provider

    @asynccontextmanager
    async def _made(self, settings: BaseModel, root: Path) -> AsyncIterator[SecretProvider]:
        provider = self.provider_type().factory(settings, ProviderContext(root))
        try:
            yield provider
        finally:
            await provider.close()


async def _get(provider: SecretProvider, *names: str) -> Mapping[str, str]:
    async with asyncio.timeout(LIMIT):
        found = dict(await provider.get(frozenset(names)))
    assert found.keys() <= set(names), "it gives what nobody has asked for"
    return found


@contextmanager
def _watched_command_lines(value: str) -> Iterator[list[str]]:
    """The command lines of this machine's processes that have the value in them."""
    seen: list[str] = []
    done, looked = threading.Event(), threading.Event()

    def watch() -> None:
        while not done.is_set():
            seen.extend(_command_lines_with(value.encode()))
            looked.set()

    watching = threading.Thread(target=watch)
    watching.start()
    looked.wait(LIMIT)
    try:
        yield seen
    finally:
        done.set()
        watching.join()


def _command_lines_with(value: bytes) -> list[str]:
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                line = (folder / "cmdline").read_bytes()
            except OSError:
                continue  # it has ended
            if value in line:
                found.append(line.replace(b"\0", b" ").decode(errors="replace"))
    return found


def _files(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def _chain(error: BaseException) -> str:
    """All that a traceback of it would say of errors."""
    seen: list[str] = []
    left: list[BaseException | None] = [error]
    while left:
        if (each := left.pop()) is not None:
            seen.append(f"{each!r} {each}")
            left.append(each.__cause__)
            left.append(None if each.__suppress_context__ else each.__context__)
    return "\n".join(seen)


def _assert_not_in(text: str, value: str) -> None:
    assert value not in text, "it gives the value of a secret away"
