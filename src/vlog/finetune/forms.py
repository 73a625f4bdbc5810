"""The forms that a training sample may have, what is wrong with one, and what TRL is given.

| form | columns | what is trained on |
|---|---|---|
| `messages` | `messages`: a list of `{role, content}` | the whole conversation |
| `prompt_completion` | `prompt`, `completion` | the completion |
| `instruction` | `instruction`, `output`; `input` may be missing or empty | the output |
| `text` | `text`, or the one that `text_field` names | the whole text |

Of two forms that a row has, the one that stands first here is taken. Other columns are left out.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from vlog.finetune.keys import shown

ROLES = ("system", "developer", "user", "assistant", "tool")


@dataclass(frozen=True, slots=True)
class Form:
    """One form.

    Attributes:
        name: Its name, as in the table above.
        columns: The columns that every row has.
        optional: Those that it may have.
        words: The same in words.
        holds_messages: Whether prompt and completion are lists of messages, as in a table that is
            ready.
    """

    name: str
    columns: tuple[str, ...]
    optional: tuple[str, ...] = ()
    words: str = ""
    holds_messages: bool = False


_FORMS = (
    Form("messages", ("messages",), words="`messages` (a list of {role, content})"),
    Form("prompt_completion", ("prompt", "completion"), words="`prompt` and `completion`"),
    Form(
        "instruction",
        ("instruction", "output"),
        ("input",),
        "`instruction` and `output` (and `input`, which may be empty)",
    ),
)


def forms(text_field: str | None) -> tuple[Form, ...]:
    """Return the forms, in the order in which they are looked for.

    Args:
        text_field: The user's column of texts: then there is that form alone. None for all forms.
    """
    text = Form("text", (text_field or "text",), words=f"`{text_field or 'text'}`")
    return (text,) if text_field else (*_FORMS, text)


def find_form(columns: Collection[str], text_field: str | None) -> Form | None:
    """Return the form of rows with these columns, None if they have none.

    >>> find_form(["id", "output", "instruction"], None).name
    'instruction'
    """
    for form in forms(text_field):
        if set(form.columns) <= set(columns):
            return form
    return None


def find_fault(row: Mapping[str, Any], form: Form) -> tuple[str, str] | None:
    """Return the column of a row that is wrong and what is wrong with it; None for a good row.

    >>> row = {"prompt": "2 + 2 =", "completion": 4}
    >>> find_fault(row, find_form(row, None))
    ('completion', 'is 4. Expected text')
    """
    for column in form.columns:
        if column not in row:
            other = find_form(row, None)
            hint = f"; the row has {other.words}: one form for all rows" if other else ""
            return column, f"is missing{hint}"
        is_list = column == "messages" or form.holds_messages
        found = (_fault_of_messages if is_list else _fault_of_text)(row[column])
        if found:
            return column, found
    for column in form.optional:
        if not isinstance(row.get(column), str | None):
            return column, f"is {shown(row[column])}. Expected text, or nothing"
    return None


def _fault_of_text(value: object) -> str | None:
    if not isinstance(value, str):
        return f"is {shown(value)}. Expected text"
    return None if value.strip() else "is empty. Expected text"


def _fault_of_messages(value: object) -> str | None:
    if not isinstance(value, list) or not value:
        return f"is {shown(value)}. Expected a list of {{role, content}}, which a CSV cannot hold"
    for index, message in enumerate(value):
        fault = _fault_of_message(message)
        if fault:
            return f"has message {index} (from 0) {fault}"
    return None


def _fault_of_message(message: object) -> str | None:
    if not isinstance(message, Mapping):
        return f"that is {shown(message)}. Expected {{role, content}}"
    for key in ("role", "content"):
        if key not in message:
            return f"without {key}. Expected {{role, content}}"
    other = [str(key) for key in message if key not in ("role", "content")]
    if other:
        return f"with the key {other[0]!r}. Expected role and content alone"
    role = message["role"]
    if role not in ROLES:
        return f"with role {shown(role)}. Expected one of: {', '.join(ROLES)}"
    fault = _fault_of_text(message["content"])
    return f"whose content {fault}" if fault else None


def sample_of(row: Mapping[str, Any], form: Form) -> dict[str, Any]:
    r"""Return what TRL is given for a row: `messages`, `prompt` and `completion`, or `text`.

    An instruction becomes a prompt under plain headings, whatever the model.

    >>> row = {"instruction": "Add.", "input": "2 2", "output": "4"}
    >>> sample_of(row, find_form(row, None))["prompt"]
    '### Instruction:\nAdd.\n\n### Input:\n2 2\n\n### Response:\n'
    """
    if form.name == "instruction":
        parts = [("Instruction", row["instruction"]), ("Input", row.get("input") or "")]
        asked = "".join(f"### {title}:\n{text}\n\n" for title, text in parts if text.strip())
        return {"prompt": f"{asked}### Response:\n", "completion": row["output"]}
    if form.name == "text":
        return {"text": row[form.columns[0]]}
    return {column: row[column] for column in form.columns}
