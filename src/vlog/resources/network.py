"""What comes and goes over the network, each byte counted once.

Source: https://man7.org/linux/man-pages/man5/proc_pid_net.5.html (`dev`) and, for InfiniBand,
https://www.kernel.org/doc/Documentation/ABI/stable/sysfs-class-infiniband.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from vlog.resources.files import ROOT, KeptFile
from vlog.resources.rates import Rates
from vlog.resources.source import Fields, Unavailable
from vlog.resources.units import as_mb, as_number, known, sum_known

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_HEADER_LINES = 2
_LOOPBACK = "lo"
# Where they stand in a line of /proc/net/dev: bytes in and out; errors and drops in and out.
_RECEIVED, _SENT, _FAULTS = 0, 8, (2, 3, 10, 11)
_WORD = 4  # bytes in the unit of InfiniBand's counters

InterfaceRates = tuple[float | None, float | None, float | None]
"""Bytes in, bytes out, and errors and drops, per second."""


class Network:
    """Rates of the interfaces of this network namespace, and of InfiniBand.

    Args:
        root: Where `/proc` and `/sys` are.
        detailed: Whether to tell the rates of each interface that is counted, too.

    Attributes:
        can_block: Whether there is InfiniBand: its driver asks the card, which may take long.
    """

    name = "network"

    def __init__(self, root: Path = ROOT, *, detailed: bool = False) -> None:
        self._file = KeptFile(root / "proc/self/net/dev", is_long=True)
        self._root = root
        self.detailed = detailed
        self._rates = Rates()
        self._names: list[str] = []
        self._counted: frozenset[str] = frozenset()
        self._ports = _port_files(root / "sys/class/infiniband")
        self.can_block = bool(self._ports)

    def read(self) -> Fields:
        """Return the fields of `network`; nothing the first time, since all of them are rates."""
        fields = Fields()
        fields.merge("receive_mb_per_second", self._read_interfaces)
        for way in ("receive", "send"):
            fields.add(f"infiniband_{way}_mb_per_second", self._read_ports, way)
        return fields

    def _read_interfaces(self) -> dict[str, Any]:
        content, now = self._file.read().decode(), time.perf_counter()
        lines = {}
        for line in content.splitlines()[_HEADER_LINES:]:
            name, _, numbers = line.partition(":")
            lines[name.strip()] = numbers
        names = list(lines)
        if names != self._names:
            self._counted = counted(names, self._root)
            self._names = names
        if not self._counted:
            raise Unavailable("there is no interface but loopback")
        each = {name: self._rates_of(name, lines[name], now) for name in self._counted}
        return total_of(each, detailed=self.detailed)

    def _rates_of(self, name: str, line: str, now: float) -> InterfaceRates:
        words = line.split()
        faults = sum(int(words[place]) for place in _FAULTS)
        return (
            self._rates.of(f"{name} receive", int(words[_RECEIVED]), now),
            self._rates.of(f"{name} send", int(words[_SENT]), now),
            self._rates.of(f"{name} faults", faults, now),
        )

    def _read_ports(self, way: str) -> float | None:
        if not self._ports:
            raise Unavailable("there is no InfiniBand")
        return as_mb(
            sum_known(
                self._rates.of(f"{file.path}", int(file.read()) * _WORD)
                for file in self._ports[way]
            )
        )


def counted(names: Iterable[str], root: Path) -> frozenset[str]:
    """Return the interfaces whose bytes add up to what really comes and goes.

    These are the physical ones: what passes a bond, a VLAN, a bridge or a container's end of it
    passes one of them, too. A container has one with a default route instead, or beside those
    that it was given. Where there is neither, all count but loopback and bridges with their ports.

    Args:
        names: All interfaces of the namespace.
        root: Where `/proc` and `/sys` are.
    """
    names = frozenset(names) - {_LOOPBACK}
    folder = root / "sys/class/net"
    try:
        virtual = frozenset(each.name for each in (root / "sys/devices/virtual/net").iterdir())
    except FileNotFoundError:
        virtual = names  # a sandbox without sysfs: nobody knows
    physical = names - virtual
    # A cloud's card can stand below one of its hypervisor, which counts the same bytes.
    found = {name for name in physical if _master(folder / name) not in physical}
    found |= {name for name in _default_routes(root) & virtual if _is_doorway(folder / name)}
    return frozenset(found) or frozenset(name for name in names if not _is_bridged(folder / name))


def _master(interface: Path) -> str | None:
    try:
        return (interface / "master").readlink().name
    except OSError:
        return None  # it stands alone


def _default_routes(root: Path) -> frozenset[str]:
    try:
        lines = (root / "proc/self/net/route").read_text().splitlines()
    except FileNotFoundError:
        return frozenset()  # a kernel or sandbox without IPv4
    routes = [line.split()[:2] for line in lines[1:]]
    return frozenset(name for name, target in routes if int(target, 16) == 0)


def _is_doorway(interface: Path) -> bool:
    """Return whether the other end is in another namespace, as that of a container's veth is."""
    try:
        ends = [(interface / name).read_text() for name in ("iflink", "ifindex")]
    except FileNotFoundError:
        return False  # not of this sysfs
    return ends[0] != ends[1] and not any(interface.glob("lower_*"))


def _is_bridged(interface: Path) -> bool:
    return (interface / "bridge").exists() or (interface / "brport").exists()


def _port_files(folder: Path) -> dict[str, list[KeptFile]]:
    """Return the counters of all InfiniBand ports, by way; empty where there is none."""
    counters = sorted(folder.glob("*/ports/*/counters"))
    if not counters:
        return {}
    return {
        "receive": [KeptFile(each / "port_rcv_data") for each in counters],
        "send": [KeptFile(each / "port_xmit_data") for each in counters],
    }


def total_of(each: dict[str, InterfaceRates], *, detailed: bool) -> dict[str, Any]:
    """Return the fields of `network` of the rates of each interface that counts."""
    found: dict[str, Any] = {
        "receive_mb_per_second": as_mb(sum_known(rates[0] for rates in each.values())),
        "send_mb_per_second": as_mb(sum_known(rates[1] for rates in each.values())),
        "errors_per_second": as_number(sum_known(rates[2] for rates in each.values())),
    }
    if detailed:
        found["interfaces"] = _by_interface(each)
    return known(found)


def _by_interface(each: dict[str, InterfaceRates]) -> dict[str, dict[str, float]] | None:
    found = {
        name: known({"receive_mb_per_second": as_mb(receive), "send_mb_per_second": as_mb(send)})
        for name, (receive, send, _) in sorted(each.items())
    }
    return {name: rates for name, rates in found.items() if rates} or None
