"""What is encoded once stands in every line as if it had been encoded there."""

import json

from vlog.encoded import Encoded
from vlog.record import encode

VALUES = {"input_ids": {"shape": [2, 8], "dtype": "int64"}, "text": "a\nb"}


class TestEncoded:
    def test_is_spliced_into_lines_as_it_is(self):
        batch = Encoded(VALUES)

        assert batch.values is VALUES
        assert encode({"batch": VALUES}) == encode({"batch": batch})
        assert VALUES == json.loads(batch.json)
