"""Which devices CUDA lets this process use, by the names and numbers of its environment.

It follows what CUDA does with CUDA_VISIBLE_DEVICES: numbers, identities (a beginning of one is
enough) or parts of a device (MIG), up to the first that there is not.

Source: https://docs.nvidia.com/cuda/cuda-programming-guide/05-appendices/environment-variables.html
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Sequence


class Part(NamedTuple):
    """A part of a device (MIG): what CUDA calls a device where there are any.

    Attributes:
        place: Its number among the parts of the device.
        uuid: Its identity, `MIG-...`.
        name: The product, and the size of the part.
        gpu_instance_id: NVML's number of its memory and processors.
        compute_instance_id: NVML's number of its share of those.
    """

    place: int
    uuid: str
    name: str
    gpu_instance_id: int
    compute_instance_id: int


@dataclass(frozen=True, slots=True)
class Card:
    """A device as NVML lists it.

    Attributes:
        index: Its number for NVML and nvidia-smi.
        uuid: Its identity, `GPU-...`.
        name: The product.
        parts: Its parts, where MIG is on; None where it is off.
    """

    index: int
    uuid: str
    name: str
    parts: tuple[Part, ...] | None = None


class Target(NamedTuple):
    """A device, or a part of one, that this process may use.

    Attributes:
        card: The device.
        part: The part of it, where MIG is on.
        cuda_index: Its number for CUDA and torch; None where that is not known.
    """

    card: Card
    part: Part | None = None
    cuda_index: int | None = None

    @property
    def uuid(self) -> str:
        """The identity of the part, or of the device."""
        return self.part.uuid if self.part else self.card.uuid

    @property
    def label(self) -> str:
        """Its name in the paths of gaps: `1`, or `1/3/0` with the numbers of the part."""
        if self.part is None:
            return str(self.card.index)
        numbers = self.card.index, self.part.gpu_instance_id, self.part.compute_instance_id
        return "/".join(map(str, numbers))


def visible_targets(cards: Sequence[Card], visible: str | None, order: str | None) -> list[Target]:
    """Return what CUDA would let this process use, in its order.

    CUDA numbers the fastest first unless it is told otherwise; who is fastest is not known here,
    so among different products a number means what it means to nvidia-smi, and `cuda_index` is
    None.

    Args:
        cards: All devices, in NVML's order.
        visible: The value of CUDA_VISIBLE_DEVICES.
        order: The value of CUDA_DEVICE_ORDER.
    """
    everything = [target for card in cards for target in targets_of(card)]
    if visible is None:
        chosen = everything
    else:
        words = [word.strip() for word in visible.split(",")]
        if words[0].startswith(("GPU-", "MIG-")):
            return _named(words, everything)
        by_index = {card.index: card for card in cards}
        numbers = _numbers(words, by_index)
        chosen = [target for index in numbers for target in targets_of(by_index[index])]
    is_order_known = order == "PCI_BUS_ID" or len({card.name for card in cards}) < 2
    return _numbered(chosen) if is_order_known and not _has_parts(chosen) else chosen


def targets_of(card: Card) -> list[Target]:
    """Return the device itself, or all its parts."""
    if card.parts is None:
        return [Target(card)]
    return [Target(card, part) for part in card.parts]


def match_uuids(uuids: Iterable[tuple[int, str]], targets: Sequence[Target]) -> list[Target]:
    """Return the targets that torch names, with its numbers.

    Args:
        uuids: Torch's number and the identity, of the device or of its part, for each; an older
            torch does not say the latter.
        targets: Where to look, the likeliest first.
    """
    found: list[Target] = []
    taken: set[str] = set()
    for cuda_index, uuid in uuids:
        free = [target for target in targets if target.uuid not in taken]
        match = _match(cuda_index, bare_uuid(uuid), free)
        if match is not None:
            taken.add(match.uuid)
            found.append(match._replace(cuda_index=cuda_index))
    return found


def _match(cuda_index: int, bare: str, targets: list[Target]) -> Target | None:
    if not bare:
        return next((each for each in targets if each.cuda_index == cuda_index), None)
    own = (each for each in targets if bare_uuid(each.uuid) == bare)
    # What torch says of a part differs between versions of CUDA: the part's, or the device's.
    whole = (each for each in targets if bare_uuid(each.card.uuid) == bare)
    return next(own, None) or next(whole, None)


def bare_uuid(uuid: str) -> str:
    """Return the digits of an identity: torch leaves out what NVML writes before them.

    >>> bare_uuid("GPU-749A4951-86af-0c5a-2a58-67aa5ebf9d4e")
    '749a4951-86af-0c5a-2a58-67aa5ebf9d4e'
    """
    return uuid.lower().removeprefix("gpu-").removeprefix("mig-")


def _numbered(targets: list[Target]) -> list[Target]:
    return [target._replace(cuda_index=place) for place, target in enumerate(targets)]


def _has_parts(targets: list[Target]) -> bool:
    return any(target.part for target in targets)  # of several, CUDA takes one: which?


def _named(words: list[str], everything: list[Target]) -> list[Target]:
    """Return the devices that `words` name, up to the first that names none, or several."""
    kind = words[0][:4]
    chosen: list[Target] = []
    for word in words:
        cards = {target.card.uuid for target in everything if target.card.uuid.startswith(word)}
        if kind == "GPU-" and word.startswith(kind) and len(cards) == 1:
            found = [target for target in everything if target.card.uuid in cards]
        elif kind == "MIG-" and word.startswith(kind):
            found = [target for target in everything if _is_part(target, word)]
        else:
            break
        if not found or (kind == "MIG-" and len(found) > 1):
            break
        if any(target in chosen for target in found):
            return []  # CUDA sees nothing where a name stands twice
        chosen += found
    return chosen if kind == "GPU-" and _has_parts(chosen) else _numbered(chosen)


def _is_part(target: Target, word: str) -> bool:
    if target.part is None:
        return False
    # Drivers before R470 name a part by its device: MIG-GPU-<uuid>/<instance>/<instance>.
    numbers = target.part.gpu_instance_id, target.part.compute_instance_id
    old = "/".join([f"MIG-{target.card.uuid}", *map(str, numbers)])
    return target.part.uuid.startswith(word) or word == old


def _numbers(words: list[str], known: Container[int]) -> list[int]:
    """Return the numbers that `words` begin with, up to the first that is not known."""
    numbers: list[int] = []
    for word in words:
        digits = len(word) - len(word.removeprefix("+").lstrip("0123456789"))
        number = int(word[:digits]) if word[:digits].strip("+") else -1
        if number not in known:
            break
        if number in numbers:
            return []
        numbers.append(number)
    return numbers
