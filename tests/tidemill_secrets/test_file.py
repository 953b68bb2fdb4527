"""A file of secrets: who may read it, how it is encrypted, and what is said of trouble."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from secret_places import (
    encrypt_with_age,
    encrypt_with_sops,
    new_identity,
    require_program,
    write,
)

from tidemill.spi import SecretError
from tidemill_secrets.file import FileSecrets
from tidemill_secrets.settings import FileSettings

VALUE = "hunter2-correct-horse"


async def get(root: Path, *names: str, **settings: Any) -> Mapping[str, str]:
    return await FileSecrets(FileSettings(**settings), root).get(names)


async def refused(root: Path, *names: str, **settings: Any) -> str:
    with pytest.raises(SecretError) as caught:
        await get(root, *names, **settings)
    assert VALUE not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("mode", [0o604, 0o602, 0o644, 0o666])
async def test_a_plain_file_that_everybody_can_read_or_change_is_refused(
    tmp_path: Path, mode: int
) -> None:
    write(tmp_path / "s.env", f"A={VALUE}", mode)
    said = await refused(tmp_path, "A", path="s.env")
    assert said == "s.env: everybody can read or change it: chmod 600 s.env"


@pytest.mark.parametrize("mode", [0o400, 0o600, 0o440, 0o660])
async def test_a_plain_file_of_a_user_or_group_is_read(tmp_path: Path, mode: int) -> None:
    write(tmp_path / "s.env", f"A={VALUE}", mode)
    assert await get(tmp_path, "A", path="s.env") == {"A": VALUE}


async def test_a_changed_file_is_seen(tmp_path: Path) -> None:
    path = write(tmp_path / "s.env", "A=old")
    provider = FileSecrets(FileSettings(path="s.env"), tmp_path)
    assert await provider.get(["A"]) == {"A": "old"}
    path.write_text("A=new")
    assert await provider.get(["A"]) == {"A": "new"}


async def test_a_file_may_be_somewhere_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "s.env", "A=1")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert await get(Path("/"), "A", path="~/s.env") == {"A": "1"}
    assert await get(Path("/"), "A", path=str(tmp_path / "s.env")) == {"A": "1"}


async def test_an_absent_file_is_an_error_unless_it_may_be_absent(tmp_path: Path) -> None:
    assert await refused(tmp_path, path="s.env") == "s.env: there is no such file"
    assert await get(tmp_path, "A", path="s.env", optional=True) == {}


async def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "s.env").mkdir()
    assert "s.env: it cannot be read: Is a directory" in await refused(tmp_path, path="s.env")
    assert "no plain file" in await refused(tmp_path, path="/dev/zero", optional=True)


async def test_a_value_that_is_no_text_is_said_once_it_is_asked_for(tmp_path: Path) -> None:
    write(tmp_path / "s.json", '{"A": 5, "B": {"C": "x"}, "D": "y"}')
    assert await get(tmp_path, "D", path="s.json") == {"D": "y"}
    assert await refused(tmp_path, "A", path="s.json") == "s.json: A is no text: put it in quotes"
    assert "B is no text" in await refused(tmp_path, "B", path="s.json")


async def test_the_format_may_be_said(tmp_path: Path) -> None:
    write(tmp_path / "secrets", '{"A": "1"}')
    assert await get(tmp_path, "A", path="secrets", format="json") == {"A": "1"}
    assert "line 1" in await refused(tmp_path, "A", path="secrets")


async def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "s.env", "").write_bytes(b"A=\xff\xfe")
    assert await refused(tmp_path, "A", path="s.env") == "s.env: it is not UTF-8"


async def test_what_is_encrypted_is_not_taken_for_plain(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    require_program("age", monkeypatch)
    require_program("sops", monkeypatch)
    recipient = new_identity(tmp_path / "key.txt")
    encrypt_with_age(f"A={VALUE}", recipient, tmp_path / "s.env.age")
    encrypt_with_sops({"A": VALUE}, recipient, tmp_path / "s.json")
    for name in ("s.env.age", "s.json"):
        (tmp_path / name).chmod(0o600)
    assert 'set encryption = "age"' in await refused(tmp_path, "A", path="s.env.age")
    assert 'set encryption = "sops"' in await refused(tmp_path, "A", path="s.json")


async def test_an_encrypted_file_may_be_read_by_all_but_not_its_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    require_program("age", monkeypatch)
    encrypt_with_age(f'{{"A": "{VALUE}"}}', new_identity(tmp_path / "key"), tmp_path / "s.json.age")
    (tmp_path / "s.json.age").chmod(0o644)
    settings = {"path": "s.json.age", "encryption": "age", "identity": "key"}
    assert await get(tmp_path, "A", **settings) == {"A": VALUE}
    (tmp_path / "key").chmod(0o644)
    assert "everybody can read or change its identity" in await refused(tmp_path, **settings)
    (tmp_path / "key").unlink()
    said = await refused(tmp_path, **settings)
    assert "its identity key cannot be read: No such file" in said


@pytest.mark.parametrize("damage", ["cut off", "changed"])
async def test_a_damaged_file_gives_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    require_program("age", monkeypatch)
    path = tmp_path / "s.env.age"
    text = f"A={VALUE}\n" + "".join(f"B{number}={'x' * 99}\n" for number in range(2_000))
    encrypt_with_age(text, new_identity(tmp_path / "key"), path)
    content = path.read_bytes()
    path.write_bytes(content[:-9] if damage == "cut off" else content[:-9] + bytes(9))
    said = await refused(tmp_path, "A", path="s.env.age", encryption="age", identity="key")
    assert said == "s.env.age: age ended with 1: run `age --decrypt` on it to see why"


SOPS_FILES = {
    "s.json": f'{{"A": "{VALUE}", "N": 5}}',
    "s.yaml": f"A: {VALUE}\nN: 5\n",
    "s.env": f"A={VALUE}\n",
    "s.ini": f"[section]\nA = {VALUE}\n",
}


@pytest.mark.parametrize("name", ["s.json", "s.yaml", "s.env"])
async def test_whatever_sops_decrypts_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    require_program("age", monkeypatch)
    require_program("sops", monkeypatch)
    sops_file(tmp_path, name)
    settings = {"path": name, "encryption": "sops", "identity": "key"}
    assert await get(tmp_path, "A", "B", **settings) == {"A": VALUE}
    monkeypatch.setenv("SOPS_AGE_KEY_FILE", str(tmp_path / "key"))
    assert await get(tmp_path, "A", path=name, encryption="sops") == {"A": VALUE}
    if name != "s.env":
        assert "N is no text" in await refused(tmp_path, "N", **settings)


def sops_file(folder: Path, name: str) -> None:
    import subprocess

    recipient = new_identity(folder / "key")
    (folder / name).write_text(SOPS_FILES[name])
    subprocess.run(
        ["sops", "encrypt", "--age", recipient, "--in-place", name],
        cwd=folder, check=True, capture_output=True,
    )  # fmt: skip


async def test_trouble_of_sops_is_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    require_program("age", monkeypatch)
    require_program("sops", monkeypatch)
    monkeypatch.setenv("HOME", str(tmp_path))
    sops_file(tmp_path, "s.json")
    settings = {"path": "s.json", "encryption": "sops"}
    assert "no key that SOPS finds here opens it" in await refused(tmp_path, "A", **settings)
    content = (tmp_path / "s.json").read_text()
    (tmp_path / "s.json").write_text(content.replace("ENC[AES256_GCM,data:", "&Q", 1))
    said = await refused(tmp_path, "A", **settings, identity="key")
    assert "run `sops --decrypt` on it to see why" in said


async def test_a_tool_that_is_not_installed_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "s.env", "")
    monkeypatch.setenv("PATH", str(tmp_path))
    for tool in ("age", "sops"):
        said = await refused(tmp_path, path="s.env", encryption=tool, identity="key")
        assert said == f"s.env: it takes `{tool}` to decrypt it: install it, or mend PATH"


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"encryption": "age"}, "needs the file with the private key as identity"),
        ({"identity": "key"}, "identity is of no use without encryption"),
        ({"encryption": "gpg"}, "'none', 'age' or 'sops'"),
        ({"timeout": 0}, "greater than 0"),
        ({"patch": "x"}, "Extra inputs"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        FileSettings(path="s.env", **settings)
