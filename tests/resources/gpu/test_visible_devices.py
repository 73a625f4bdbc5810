"""Which devices CUDA lets a process use."""

import pytest

from vlog.resources.gpu.visible_devices import Card, Part, Target, match_uuids, visible_targets

ONE, TWO = Card(0, "GPU-aa11", "H100"), Card(1, "GPU-aa22", "H100")
OTHER = Card(2, "GPU-bb33", "T4")
PARTS = (Part(0, "MIG-c1", "H100 MIG", 3, 0), Part(1, "MIG-c2", "H100 MIG", 4, 1))
SPLIT = Card(1, "GPU-cc44", "H100", PARTS)


def chosen(cards, visible, order=None):
    return [(each.label, each.cuda_index) for each in visible_targets(cards, visible, order)]


class TestVisibleTargets:
    @pytest.mark.parametrize(
        ("visible", "expected"),
        [
            (None, [("0", 0), ("1", 1)]),
            ("0", [("0", 0)]),
            ("1", [("1", 0)]),
            ("1,0", [("1", 0), ("0", 1)]),
            (" 1 , 0 ", [("1", 0), ("0", 1)]),
            ("+1", [("1", 0)]),
            ("0gpu,1tesla", [("0", 0), ("1", 1)]),  # as strtoul reads it
            ("0,7,1", [("0", 0)]),  # up to the first that there is not
            ("0,-1,1", [("0", 0)]),
            ("0,,1", [("0", 0)]),
            ("0,0", []),  # CUDA sees nothing then
            ("", []),
            ("-1", []),
            ("none", []),
            ("+", []),
        ],
    )
    def test_reads_numbers_as_cuda_does(self, visible, expected):
        assert expected == chosen([ONE, TWO], visible)

    @pytest.mark.parametrize(
        ("visible", "expected"),
        [
            ("GPU-aa22", [("1", 0)]),
            ("GPU-bb", [("2", 0)]),
            ("GPU-bb,GPU-aa11", [("2", 0), ("0", 1)]),
            ("GPU-aa", []),  # two begin so
            ("GPU-bb33,GPU-aa", [("2", 0)]),
            ("GPU-bb33,0", [("2", 0)]),  # names and numbers do not mix
            ("GPU-bb33,GPU-bb", []),
            ("GPU-zz", []),
        ],
    )
    def test_reads_identities_and_their_beginnings(self, visible, expected):
        assert expected == chosen([ONE, TWO, OTHER], visible)

    @pytest.mark.parametrize(
        ("visible", "expected"),
        [
            ("MIG-c2", [("1/4/1", 0)]),
            ("MIG-c2,MIG-c1", [("1/4/1", 0), ("1/3/0", 1)]),
            ("MIG-GPU-cc44/4/1", [("1/4/1", 0)]),
            ("MIG-c", []),
            ("MIG-c1,MIG-c1", []),
            ("MIG-c1,GPU-aa11", [("1/3/0", 0)]),
            ("GPU-cc44", [("1/3/0", None), ("1/4/1", None)]),  # CUDA takes one: which?
            ("1", [("1/3/0", None), ("1/4/1", None)]),
            (None, [("0", None), ("1/3/0", None), ("1/4/1", None)]),
        ],
    )
    def test_reads_parts(self, visible, expected):
        assert expected == chosen([ONE, SPLIT], visible)

    def test_does_not_know_the_order_of_different_products(self):
        """CUDA puts the fastest first; only by the bus is the order that of NVML."""
        cards = [ONE, OTHER]

        assert [("0", None), ("2", None)] == chosen(cards, None)
        assert [("0", 0), ("2", 1)] == chosen(cards, None, "PCI_BUS_ID")
        assert [("2", None)] == chosen(cards, "2")
        assert [("2", 0)] == chosen(cards, "GPU-bb")

    def test_leaves_a_number_to_its_device_when_another_is_not_listed(self):
        assert [("1", 0)] == chosen([TWO], "1")
        assert [] == chosen([TWO], "0")

    def test_has_nothing_of_a_device_without_parts(self):
        assert [] == chosen([Card(0, "GPU-a", "H100", ())], None)


class TestMatchUuids:
    def test_gives_torchs_numbers(self):
        """It writes an identity without what NVML writes before it."""
        targets = [Target(ONE, None, 0), Target(TWO, None, 1)]

        assert [Target(TWO, None, 0), Target(ONE, None, 1)] == match_uuids(
            [(0, "AA22"), (1, "aa11"), (2, "zz")], targets
        )

    def test_knows_a_part_by_its_own_identity_or_its_devices(self):
        targets = [Target(SPLIT, part) for part in PARTS]

        assert [Target(SPLIT, PARTS[1], 0)] == match_uuids([(0, "c2")], targets)
        assert [Target(SPLIT, PARTS[0], 0)] == match_uuids([(0, "cc44")], targets)
        assert [0, 1] == [
            each.cuda_index for each in match_uuids([(0, "c1"), (1, "cc44")], targets)
        ]

    def test_goes_by_the_number_where_torch_says_no_more(self):
        targets = [Target(ONE, None, 0), Target(TWO, None, 1)]

        assert [targets[1]] == match_uuids([(1, "")], targets)
        assert [] == match_uuids([(5, "")], targets)
