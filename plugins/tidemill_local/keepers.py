"""The keepers of one executor, and the warden behind them: who is idle, who has died."""

from __future__ import annotations

import asyncio
import secrets
import shutil
from collections.abc import Callable, Coroutine
from pathlib import Path

from tidemill.spi import StartError
from tidemill_local.bounds import Bounder
from tidemill_local.keeper_link import KeeperLink
from tidemill_local.switch import Switch
from tidemill_local.taking_up import find
from tidemill_local.tenancy import Tenancy, wait_for_the_dead
from tidemill_local.warden import protocol
from tidemill_local.warden_link import ForeignWarden, WardenLink

PATIENCE = 30.0
"""Seconds that the helper processes are given to end when the executor closes, or when
they have outlived one that was killed."""


class Keepers:
    """`heard(keeper, packet)` is called for what a keeper says of its step; `gone(keeper,
    detail)` when one has died over a step, and nothing of the step's tree is left unless
    `detail` says so."""

    def __init__(
        self,
        scratch: Path,
        heard: Callable[[KeeperLink, bytes], None],
        gone: Callable[[KeeperLink, str], None],
        *,
        leased: bool,
        lasting: bool,
    ) -> None:
        self.lasting = lasting
        """Whether steps outlive this process, until another one takes them up."""
        self._folder = scratch / f"local-{secrets.token_hex(6)}"
        self._tenancy: Tenancy | None = None
        self._settled = False
        self.bounder = Bounder(self._folder.name)
        self._report = heard
        self._gone = gone
        self._switch = Switch() if leased else None
        self._warden: WardenLink | None = None
        self._all: dict[int, KeeperLink] = {}
        self._idle: list[KeeperLink] = []
        self._count = 0
        self._sweeps: set[asyncio.Task[None]] = set()

    def warm_up(self) -> WardenLink:
        """Starts the warden, if there is none; it is up some 20 ms later.

        Raises:
            StartError: it cannot be started, or there is no place for its files.
        """
        if self._warden is None or not self._warden.alive:
            folder, tenancy = self._make_folder()
            self._warden = WardenLink(
                folder,
                tenancy.helpers,
                None if self._switch is None else self._switch.descriptor,
                self._buried,
                self._refused,
                self._warden_lost,
                lasting=self.lasting,
            )
        return self._warden

    @property
    def folder(self) -> Path:
        """Is there once the warden is; gone when these are closed."""
        return self._folder

    def extend(self, end: float) -> None:
        """Sets the moment of `boot_time()` at which keepers kill what they have in hand."""
        if self._switch is not None:
            self._switch.set(end)

    def time_is_over(self) -> bool:
        return self._switch is not None and self._switch.is_over

    async def settle(self) -> None:
        """Waits for the helpers of a `tidemill` that was killed; only once.

        Raises:
            StartError: they do not end.
        """
        if not self._settled:
            await wait_for_the_dead(self._folder.parent, self._folder, PATIENCE)
            await asyncio.to_thread(self.bounder.reap)
            self._settled = True

    def take(self, loop: asyncio.AbstractEventLoop) -> KeeperLink:
        """An idle keeper, or a new one."""
        while self._idle:
            keeper = self._idle.pop()
            if keeper.open:
                return keeper
        warden = self.warm_up()
        warden.listen(loop)
        self._count += 1
        folder = self._make_folder()[0] / str(self._count)
        sock = warden.new_keeper(self._count, folder)
        keeper = KeeperLink(self._count, folder, warden, sock, loop, self._heard)
        self._all[keeper.number] = keeper
        return keeper

    async def take_up(self, token: str, loop: asyncio.AbstractEventLoop) -> KeeperLink | None:
        """The keeper that an executor which was killed had given this token; None if it has
        ended. Its first packet is yet to come.

        Raises:
            StartError: it is there, and does not answer.
        """
        found = await find(self._folder.parent, token)
        if found is None:
            return None
        self._count += 1
        folder, sock = found
        keeper = KeeperLink(-self._count, folder, ForeignWarden(), sock, loop, self._heard)
        self._all[keeper.number] = keeper
        return keeper

    @property
    def switch(self) -> int:
        return -1 if self._switch is None else self._switch.descriptor

    def give_back(self, keeper: KeeperLink) -> None:
        keeper.step = None
        if keeper.number < 0:
            keeper.release()
        elif keeper.open:
            self._idle.append(keeper)

    def retire(self, keeper: KeeperLink) -> None:
        """Ends a keeper whose folder cannot be used again."""
        keeper.step = None
        keeper.release()

    async def close(self) -> None:
        for keeper in self._all.values():
            keeper.release()
        while self._sweeps:
            await asyncio.gather(*self._sweeps)
        if self._warden is not None:
            await self._warden.close(PATIENCE)
        if self._switch is not None:
            self._switch.close()
            self._switch = None
        if self._tenancy is not None:
            await asyncio.to_thread(shutil.rmtree, self._folder, ignore_errors=True)
            self._tenancy.end()
            self._tenancy = None

    def _make_folder(self) -> tuple[Path, Tenancy]:
        """The folder has a name from the beginning, but is made when it is needed. Two
        executors, of one or of two processes, may have the same scratch folder."""
        if self._tenancy is not None and self._folder.is_dir():
            return self._folder, self._tenancy
        try:
            self._folder.mkdir(mode=0o700, parents=True)
            tenancy = Tenancy(self._folder, lasting=self.lasting)
        except OSError as error:
            raise StartError(
                f"cannot make a folder for temporary files in {self._folder.parent}: "
                f"{error.strerror}; make it writable, or make room on its disk"
            ) from error
        if self._tenancy is not None:  # a step has removed the folder
            self._tenancy.end()
        self._tenancy = tenancy
        return self._folder, tenancy

    # -- what is heard of keepers and warden

    def _heard(self, keeper: KeeperLink, packet: bytes) -> None:
        if packet:
            self._report(keeper, packet)
        elif not keeper.warden.alive:
            self._sweep(keeper)

    def _buried(self, number: int, clean: bool) -> None:
        keeper = self._all.pop(number, None)
        if keeper is not None:
            keeper.release()
            if self.bounder.has_groups:  # its group stays behind, empty
                self._later(asyncio.to_thread(self.bounder.reap))
            self._gone(keeper, "" if clean else "; some of its processes cannot be killed")

    def _refused(self, number: int, code: int) -> None:
        keeper = self._all.pop(number)
        keeper.release()
        self._report(keeper, protocol.pack_failed(protocol.AT_EXEC, code))

    def _warden_lost(self) -> None:
        """Keepers notice it themselves and clear up; those that are dead cannot."""
        for keeper in [keeper for keeper in self._all.values() if not keeper.open]:
            self._sweep(keeper)
        self._idle.clear()

    def _sweep(self, keeper: KeeperLink) -> None:
        """Keeper and warden have both been killed: its step's processes are nobody's
        children any more, and are found by the folder in their environment."""
        from tidemill_local.sweep import kill_marked

        if self._all.pop(keeper.number, None) is None or keeper.step is None:
            return

        async def sweep() -> None:
            await asyncio.to_thread(kill_marked, keeper.folder)
            if self.bounder.has_groups:  # it has in it what has cleared its environment
                await asyncio.to_thread(self.bounder.reap)
            self._gone(keeper, "")

        self._later(sweep())

    def _later(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._sweeps.add(task)
        task.add_done_callback(self._sweeps.discard)
