"""Both languages say everything, and no page says anything that only one language has."""

import ast
import re
import string
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from cloud.dashboard import words
from cloud.dashboard.words import Words

DASHBOARD = Path(words.__file__).parent
TEMPLATES = sorted((DASHBOARD / "templates").rglob("*.html"))
SOURCES = sorted(DASHBOARD.glob("*.py"))
CJK = re.compile(r"[\u3400-\u9fff]")
LETTERS = re.compile(r"[A-Za-z\u3400-\u9fff]{2,}")
# Names of commands, units and the product, and keys that show the other language on purpose.
SAME_IN_BOTH = {"product", "act.note"}
IN_THE_OTHER = {"language.other"}
# Keys that code builds from a value of the database or the contract; each family is checked against its source below.
BUILT = (
    "severity.", "priority.", "state.", "cause.", "quality.", "system.", "role.", "clock.", "weekday.", "month.", "duration.",
    "every.", "act.", "form.", "timeline.", "sumstate.", "tab.", "span.", "bit.", "rule.", "refused.", "filter.", "theme.",
    "kind.", "category.", "channel.", "emergency.", "relation.", "desk.wrong.", "alarm.", "device.state.", "tests.proof_", "trends.", "nav.", "error.", "storm.", "silence.", "calls.", "proof.shows.", "proof.state.", "order.safety.", "find.", "targets.", "cause_closed.", "bulk.do.", "sheet.",
    "permit.", "contractor.", "figures.", "power.", "gateway.do.", "gateway.lane.", "gateway.table.", "gateway.directive.", "equipment.filter.", "equipment.pick.",
)  # fmt: skip


def fields(sentence: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(sentence) if name}


def test_both_languages_have_the_same_keys() -> None:
    en, zh = set(words.load("en").entries), set(words.load("zh").entries)
    # Chinese has one form of a counted noun; English has two.
    assert {key for key in en if not key.endswith(".one")} == {key for key in zh if not key.endswith(".one")}


def test_both_languages_fill_the_same_places() -> None:
    en, zh = words.load("en").entries, words.load("zh").entries
    calendar = ("date.", "weekday.", "month.")
    different = {
        key: (fields(en[key]), fields(zh[key]))
        for key in zh
        if fields(en[key]) != fields(zh[key]) and not key.startswith(calendar)
    }
    assert not different


def test_chinese_is_chinese_and_english_is_english() -> None:
    en, zh = words.load("en").entries, words.load("zh").entries
    plain = {key: re.sub(r"\{\w*\}", "", text) for key, text in zh.items()}
    untranslated = [
        key
        for key, text in plain.items()
        if LETTERS.search(text) and not CJK.search(text) and key not in SAME_IN_BOTH | IN_THE_OTHER
    ]
    assert untranslated == []
    assert [key for key, text in en.items() if CJK.search(text) and key not in IN_THE_OTHER] == []


def test_no_sentence_is_chatty() -> None:
    for language in words.LANGUAGES:
        for key, text in words.load(language).entries.items():
            assert not re.search(r"[!！]|您|亲|please|oops|are you sure|all good", text, re.IGNORECASE), key


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_a_template_holds_no_words_of_its_own(template: Path) -> None:
    assert [text for text in visible(template.read_text(encoding="utf-8")) if LETTERS.search(text)] == []


SCRIPTS = sorted((DASHBOARD / "static").glob("*.js"))
SHEETS = sorted((DASHBOARD / "static").glob("*.css"))
SHOWN_BY_SCRIPT = re.compile(
    r"""(?:\b(?:textContent|innerText|innerHTML|title|placeholder|ariaLabel|alt)\s*=\s*|\b(?:fillText|alert|confirm|prompt|createTextNode)\(\s*"""
    r"""|setAttribute\(\s*["'](?:title|aria-label|placeholder|alt)["']\s*,\s*|\blabel:\s*)(["'`])((?:(?!\1).)*)\1"""
)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_a_script_holds_no_words_of_its_own(script: Path) -> None:
    """What it shows comes from the page, which has it from the reader's language."""
    text = script.read_text(encoding="utf-8")
    shown = [re.sub(r"\$\{[^}]*\}", "", found[1]) for found in SHOWN_BY_SCRIPT.findall(text)]
    assert [words for words in shown if LETTERS.search(words)] == []
    assert not CJK.search(text)


def test_the_search_for_words_in_scripts_finds_them() -> None:
    told = SHOWN_BY_SCRIPT.findall(
        'a.textContent = "Hello"; b.setAttribute("aria-label", `Go ${x}`); u.fillText("max", 1)'
    )
    assert [words for _, words in told] == ["Hello", "Go ${x}", "max"]


@pytest.mark.parametrize("sheet", SHEETS, ids=lambda path: path.name)
def test_a_style_sheet_writes_no_words(sheet: Path) -> None:
    text = sheet.read_text(encoding="utf-8")
    assert [found for found in re.findall(r"content:\s*[\"']([^\"']*)[\"']", text) if LETTERS.search(found)] == []


@pytest.mark.parametrize("module", SOURCES, ids=lambda path: path.name)
def test_a_module_of_the_pages_has_no_chinese_of_its_own(module: Path) -> None:
    strings = [
        node.value for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))) if isinstance(node, ast.Constant)
    ]
    words_of_its_own = [one for one in strings if isinstance(one, str) and re.search(rf"{CJK.pattern}{{2}}", one)]
    assert words_of_its_own == []  # one sign alone is a separator that is read or drawn


def visible(source: str) -> Iterator[str]:
    """What a reader would see or hear that does not come from an expression: text nodes and spoken attributes."""
    source = re.sub(r"\{% block (?:head|body_class) %\}.*?\{% endblock %\}", "", source, flags=re.DOTALL)
    plain = re.sub(r"\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}", "\x00", source, flags=re.DOTALL)
    yield from re.findall(r"\b(?:title|aria-label|placeholder|alt)=\"([^\"\x00]+)\"", plain)
    for text in re.sub(r"<[^>]*>", "\x00", plain).split("\x00"):
        if text.strip() and "doctype" not in text:
            yield text.strip()


def used() -> set[str]:
    """Every key that a template or a module names in full."""
    found: set[str] = set()
    for path in [*TEMPLATES, *SOURCES]:
        text = path.read_text(encoding="utf-8")
        found |= set(
            re.findall(r"\b(?:w|words)(?:\.count)?\(\s*[\"']([a-z_0-9]+(?:\.[A-Za-z_0-9]+)*)[\"']\s*[,)]", text)
        )
        found |= set(re.findall(r"[\"']([a-z_0-9]+(?:\.[a-z_0-9]+)+)[\"']", text))
    return found


def test_every_key_that_is_used_exists() -> None:
    entries = words.load("en").entries
    families = {key.split(".")[0] for key in entries}
    asked = {key for key in used() if key.split(".")[0] in families}
    missing = {key for key in asked if key not in entries and not any(known.startswith(f"{key}.") for known in entries)}
    assert {key for key in missing if not key.endswith((".html", ".css", ".js", ".csv"))} == set()


def test_every_key_that_exists_is_used() -> None:
    asked = used()
    spare = {
        key for key in words.load("en").entries
        if key not in asked and key.rsplit(".", 1)[0] not in asked and not key.startswith(BUILT)
    }  # fmt: skip
    assert spare == set()


def test_words_for_every_value_of_the_contract_and_the_desk() -> None:
    from cloud.tickets.ticket import Action, Kind, Role, State
    from contract.messages import Cause, Quality, Severity

    entries = words.load("en").entries
    for prefix, values in (
        ("severity", Severity), ("quality", Quality), ("cause", [c for c in Cause if c is not Cause.NONE]), ("state", State),
        ("role", Role), ("act", Action), ("kind", Kind),
    ):  # fmt: skip
        assert [value for value in values if f"{prefix}.{value}" not in entries] == [], prefix


def test_words_for_every_line_of_a_timeline() -> None:
    from cloud.tickets.ticket import TRANSITIONS

    by_machine = {"opened", "activated", "recurred", "cleared", "reopened", "resumed", "reclassified", "breached"}
    kinds = {row.entry for row in TRANSITIONS} | by_machine
    assert {kind for kind in kinds if f"timeline.{kind}" not in words.load("en").entries} == set()


def test_a_key_that_yaml_reads_as_something_else_is_refused() -> None:
    with pytest.raises(TypeError, match="quote it"):
        words.flatten(yaml.safe_load("live: {on: x}"))
    with pytest.raises(TypeError, match="is not text"):
        words.flatten({"a": {"b": 3}})


@pytest.mark.parametrize(
    ("cookie", "user", "accept", "expected"),
    [
        ("zh", "en", "en", "zh"), ("", "zh", "en-GB", "zh"), ("", "", "zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        ("", "", "fr, en;q=0.3, zh;q=0.7", "zh"), ("", "", "fr", "en"), ("xx", "yy", "zh;q=broken,en", "en"), ("", "", "", "en"),
    ],
)  # fmt: skip
def test_the_readers_choice_comes_before_the_users_setting_and_the_browser(
    cookie: str, user: str, accept: str, expected: str
) -> None:
    assert words.negotiate(cookie, user, accept) == expected


def test_an_unknown_value_is_shown_in_plain_letters_rather_than_failing() -> None:
    assert words.load("en").or_id("state", "waiting_for_parts") == "waiting for parts"


def test_a_text_of_one_language_only_is_shown_rather_than_nothing() -> None:
    zh = Words("zh", {})
    assert zh.text({"en": "Lift 1"}) == "Lift 1"
    assert zh.text({}, "lift_1") == "lift_1"
    assert zh.text(None, "lift_1") == "lift_1"
