"""The search language: what it reads, what it refuses and where, and what it means, on both databases."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from conftest_archive import jpeg, new_database
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cygnet.archive import Archive
from cygnet.archive.fields import BY_NAME
from cygnet.archive.query import QueryError, parse, to_text
from cygnet.archive.query.tree import And, Between, Everything, Node, Not, Number, Or, Present, Term, Truth, Words
from cygnet.archive.search import Cursor, CursorError

#: Twelve images worked through by hand; None: not known.
NAMES = ("isic_id", "sex", "age_approx", "diagnosis_3", "melanocytic", "mel_thick_mm", "image_type", "acquisition_day")
ROWS: list[tuple[Any, ...]] = [
    ("ISIC_0000001", "male", 30, "Nevus", True, None, "dermoscopic", 0),
    ("ISIC_0000002", "female", 30, "Nevus", True, None, "dermoscopic", -3),
    ("ISIC_0000003", "male", 45, "Melanoma, NOS", True, 0.4, "dermoscopic", 10),
    ("ISIC_0000004", "female", 50, "Melanoma Invasive", True, 1.0, "clinical: close-up", None),
    ("ISIC_0000005", None, 55, "Melanoma in situ", None, None, "clinical: overview", None),
    ("ISIC_0000006", "male", None, None, None, None, None, None),
    ("ISIC_0000007", "female", 70, "Basal cell carcinoma", False, None, "dermoscopic", 1),
    ("ISIC_0000008", "male", 70, "Nevus", False, None, "dermoscopic", 2),
    ("ISIC_0000009", "female", 85, "Solar lentigo", None, None, "TBP tile: close-up", 365),
    ("ISIC_0000010", "male", 85, "nevus*", None, None, "dermoscopic", None),
    ("ISIC_0000011", "female", 5, "50% _x", None, 12.5, "dermoscopic", None),
    ("ISIC_0000012", "female", 0, "a'b;--", None, 0.0, "dermoscopic", None),
]
TABLE = [dict(zip(NAMES, row, strict=True)) for row in ROWS]


def filled(archive: Archive) -> Archive:
    """The twelve images, as if they had been ingested and every second one published."""
    from dataclasses import replace

    from conftest_archive import item, take

    for k, row in enumerate(TABLE):
        record = {n: v for n, v in row.items() if v is not None and n not in ("isic_id", "age_approx")}
        record |= {"age": row["age_approx"]} if row["age_approx"] is not None else {}
        one = replace(item(f"{k}.jpg", jpeg(k, 40, 32), **record), public_ids={"image": row["isic_id"]})
        take(archive, [one], publish=k % 2 == 0, licence=("CC-0", "CC-BY")[k % 3 == 0])
    for k, row in enumerate(TABLE):  # small pictures may be held back, which is not what is tested here
        row["public"] = bool(archive.image(row["isic_id"])["public"])
        row["copyright_license"] = ("CC-0", "CC-BY")[k % 3 == 0]
    return archive


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def twelve(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Archive]:
    db = None if request.param == "sqlite" else new_database(request.getfixturevalue("postgres"))
    with Archive.init(tmp_path_factory.mktemp("twelve") / "archive", db=db) as made:
        yield filled(made)


def found(archive: Archive, query: str) -> list[int]:
    return [int(r["isic_id"][-4:]) for r in archive.search(query).results]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", list(range(1, 13))),
        ("sex:male", [1, 3, 6, 8, 10]),
        ("-sex:male", [2, 4, 5, 7, 9, 11, 12]),
        ("sex:*", [1, 2, 3, 4, 6, 7, 8, 9, 10, 11, 12]),
        ("-sex:*", [5]),
        ("age_approx:30", [1, 2]),
        ("age_approx:[45 TO 55]", [3, 4, 5]),
        ("age_approx:{45 TO 55]", [4, 5]),
        ("age_approx:{45 TO 55}", [4]),
        ("age_approx:[70 TO *]", [7, 8, 9, 10]),
        ("age_approx:[* TO 5}", [12]),
        ("age_approx:[* TO *]", [1, 2, 3, 4, 5, 7, 8, 9, 10, 11, 12]),
        ("-age_approx:[5 TO 85]", [6, 12]),
        ("diagnosis_3:Melanoma*", [3, 4, 5]),
        ('diagnosis_3:"Melanoma*"', [3, 4, 5]),
        ('diagnosis_3:"Melanoma, NOS"', [3]),
        ("diagnosis_3:*Invasive", [4]),
        ("diagnosis_3:*elanom*", [3, 4, 5]),
        ("diagnosis_3:*ELANOM*", []),
        ("-diagnosis_3:*s", [3, 4, 5, 6, 7, 9, 10, 11, 12]),
        ("diagnosis_3:nevus", []),
        ("diagnosis_3:n*s", []),
        ("melanocytic:true", [1, 2, 3, 4]),
        ("melanocytic:false", [7, 8]),
        ("-melanocytic:true", [5, 6, 7, 8, 9, 10, 11, 12]),
        ("melanocytic:*", [1, 2, 3, 4, 7, 8]),
        ("image_type:clinical", [4]),
        ("image_type:overview", [5]),
        ("sex:male AND age_approx:70", [8]),
        ("sex:male age_approx:70", [8]),
        ("sex:male OR age_approx:50", [1, 3, 4, 6, 8, 10]),
        ("sex:female age_approx:30 OR age_approx:85", [2, 9, 10]),
        ("age_approx:85 OR sex:female AND age_approx:30", [2, 9, 10]),
        ("sex:female AND (age_approx:30 OR age_approx:85)", [2, 9]),
        ("(age_approx:30 OR age_approx:85) AND sex:female", [2, 9]),
        ("NOT (sex:male OR sex:female)", [5]),
        ("-(sex:male OR sex:female)", [5]),
        ("NOT NOT sex:male", [1, 3, 6, 8, 10]),
        ("NOT -sex:male", [1, 3, 6, 8, 10]),
        ("acquisition_day:[-5 TO 1]", [1, 2, 7]),
        ("acquisition_day:-3", [2]),
        ("mel_thick_mm:0.4", [3]),
        ("mel_thick_mm:{0 TO 1e1]", [3, 4]),
        ("isic_id:ISIC_0000003", [3]),
        ("isic_id:*003", [3]),
        ("isic_id:ISIC_000001*", [10, 11, 12]),
        ("isic_id:ISIC_0000003 OR isic_id:ISIC_0000005 OR sex:none", [3, 5]),
        ("sex : male  age_approx : [ 70 TO 70 ]", [8]),
        ("- sex:male", [2, 4, 5, 7, 9, 11, 12]),
        ('sex:"male"age_approx:70', [8]),
        ("age_approx:70.0", [7, 8]),
        ("age_approx:70.5", []),
        ("age_approx:[69.5 TO 1e299]", [7, 8, 9, 10]),
        ("copyright_license:CC-BY", [1, 4, 7, 10]),
        ("copyright_license:CC-*", list(range(1, 13))),
        ("attribution:Tests", list(range(1, 13))),
        ("collections:1", []),
        ("-collections:*", list(range(1, 13))),
        ("patient_id:*", []),
        ("-lesion_id:IL_1", list(range(1, 13))),
        ("public:*", list(range(1, 13))),
    ],
)
def test_meaning(twelve: Archive, query: str, expected: list[int]) -> None:
    assert found(twelve, query) == expected
    assert twelve.count(query) == len(expected)
    assert sum(b["doc_count"] for b in twelve.facets(query)["copyright_license"]["buckets"]) == len(expected)


@pytest.mark.parametrize(
    ("query", "position", "says"),
    [
        ("colour:red", 0, "no field 'colour'"),
        ("sex:male sexx:male", 9, "did you mean 'sex'"),
        ("diagnosis:Nevus", 0, "use diagnosis_1"),
        ("Sex:male", 0, "did you mean 'sex'"),
        ("age:50", 0, "age_approx"),
        ("sex:", 4, "needs a word"),
        ("sex", 3, "a : is needed after sex"),
        ('sex:"male', 4, "no second one"),
        ("sex:male)", 8, "there is no ("),
        ("(sex:male", 0, "has no )"),
        ("()", 1, "FIELD:VALUE is needed"),
        ("sex:male AND", 12, "the query ends"),
        ("sex:male OR OR sex:female", 12, "FIELD:VALUE"),
        ("sex:male and sex:female", 9, "written in capitals"),
        ("age_approx:old", 11, "is a number"),
        ("age_approx:[1 to 5]", 14, "TO is needed"),
        ("age_approx:[1 TO 5", 18, "] or }"),
        ("age_approx:[ TO 5]", 13, "a number or *"),
        ("public:yes", 7, "true, false or *"),
        ("sex:male & sex:female", 9, "FIELD:VALUE"),
        ("age_approx:1e999", 11, "too large"),
        ('sex:"a\0b"', 6, "cannot be searched for"),
        ("-" * 100 + "sex:male", 60, "60 deep"),
        ("(" * 100, 60, "60 deep"),
        ("sex:a " * 501, 3000, "500 conditions"),
        ("x" * 20_001, 20_000, "20,000 characters"),
    ],
)
def test_errors_point_at_the_character(query: str, position: int, says: str) -> None:
    with pytest.raises(QueryError) as raised:
        parse(query)
    assert raised.value.position == position
    assert says in str(raised.value)
    pointer = str(raised.value).splitlines()[2]
    assert pointer.endswith(f"^ character {position + 1}")


def test_five_hundred_conditions_are_answered(twelve: Archive) -> None:
    ids = " OR ".join(f"isic_id:ISIC_{k:07d}" for k in range(1, 501))
    assert len(found(twelve, ids)) == 12
    ranges = " OR ".join(f"age_approx:[{k} TO {k}]" for k in range(500))
    assert len(found(twelve, ranges)) == 11
    assert found(twelve, "(" * 58 + "sex:male" + ")" * 58) == [1, 3, 6, 8, 10]


# A second reading of the language: plain Python over the same twelve rows.
def holds(node: Node, row: dict[str, Any]) -> bool:
    match node:
        case Everything():
            return True
        case Not(inner):
            return not holds(inner, row)
        case And(nodes):
            return all(holds(n, row) for n in nodes)
        case Or(nodes):
            return any(holds(n, row) for n in nodes)
        case Term(field, value):
            have = row.get(field.name)
            return have is not None and agrees(value, have)


def agrees(value: Any, have: Any) -> bool:
    match value:
        case Present():
            return True
        case Words(text, how):
            compare: Callable[[str, str], bool] = {
                "is": operator.eq,
                "starts": str.startswith,
                "ends": str.endswith,
                "contains": operator.contains,
            }[how]
            return compare(have, text)
        case Number(number):
            return bool(have == number)
        case Between(low, high, includes_low, includes_high):
            above = low is None or (have >= low if includes_low else have > low)
            return above and (high is None or (have <= high if includes_high else have < high))
        case Truth(yes):
            return bool(have is yes)
    raise AssertionError(value)


numbers = st.one_of(st.integers(-10, 400).map(float), st.sampled_from([0.4, 12.5, 69.5, -0.5]))
fragments = st.text(
    st.sampled_from(sorted({c for row in ROWS for cell in row if isinstance(cell, str) for c in cell})), max_size=4
)
texts = st.one_of(st.sampled_from(sorted({c for row in ROWS for c in row if isinstance(c, str)})), fragments)


def terms() -> st.SearchStrategy[Node]:
    def of(name: str) -> st.SearchStrategy[Node]:
        field = BY_NAME[name]
        kinds: dict[str, st.SearchStrategy[Any]] = {
            "text": st.builds(
                Words,
                texts.filter(lambda t: not t.startswith("*") and not t.endswith("*")),
                st.sampled_from(["is", "starts", "ends", "contains"]),
            ).filter(
                lambda w: (
                    bool(w.text)
                    and (field.name, w.text) not in (("image_type", "clinical"), ("image_type", "overview"))
                )
            ),
            "bool": st.builds(Truth, st.booleans()),
            "number": st.one_of(
                st.builds(Number, numbers),
                st.builds(Between, st.none() | numbers, st.none() | numbers, st.booleans(), st.booleans()),
            ),
        }
        return st.builds(Term, st.just(field), st.one_of(st.just(Present()), kinds[field.kind]))

    return st.sampled_from([*NAMES, "public", "copyright_license"]).flatmap(of)


def joined(kind: type[And] | type[Or], nodes: list[Node]) -> Node:
    flat = [n for node in nodes for n in (node.nodes if isinstance(node, kind) else (node,))]
    return kind(tuple(flat))


nodes = st.recursive(
    terms(),
    lambda inner: st.one_of(
        st.builds(Not, inner),
        st.lists(inner, min_size=2, max_size=3).map(lambda n: joined(And, n)),
        st.lists(inner, min_size=2, max_size=3).map(lambda n: joined(Or, n)),
    ),
    max_leaves=6,
)


@given(nodes)
@settings(max_examples=150, deadline=None)
def test_a_tree_survives_its_own_text(node: Node) -> None:
    assert parse(to_text(node)) == node


@given(nodes)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_sql_means_what_python_means(twelve: Archive, node: Node) -> None:
    expected = [k for k, row in enumerate(TABLE, start=1) if holds(node, row)]
    query = to_text(node)
    assert found(twelve, query) == expected
    assert twelve.count(query) == len(expected)


@given(st.text(max_size=60) | st.text(st.sampled_from("sex:age_approx[]{}\"()*-ANDORTO 0123.e\0\\%_'"), max_size=40))
@settings(max_examples=300, deadline=None)
def test_any_text_is_read_or_refused_in_words(text: str) -> None:
    try:
        node = parse(text)
    except QueryError as error:
        assert 0 <= error.position <= len(text)
        assert error.why
    else:
        assert parse(to_text(node)) == node


@given(st.text(st.sampled_from("sexmaldignoi_3:*\"[]()-{} ANDORT019'%;"), max_size=40))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_read_is_answered(twelve: Archive, text: str) -> None:
    try:
        expected = [k for k, row in enumerate(TABLE, start=1) if holds(parse(text), row)]
    except QueryError:
        return
    if "collections" not in text and "attribution" not in text:
        assert found(twelve, text) == expected


@pytest.mark.parametrize("text", ["'; DROP TABLE image; --", "a' OR '1'='1", "%", "_", "\\", "ISIC_000000_"])
@pytest.mark.parametrize("name", ["sex", "diagnosis_3", "isic_id", "patient_id", "rcm_case_id", "attribution"])
def test_no_text_becomes_sql(twelve: Archive, name: str, text: str) -> None:
    assert found(twelve, f'{name}:"{text}"') == []
    assert found(twelve, f'{name}:"*{text}"') == []
    assert found(twelve, f'{name}:"{text}*"') == []
    hits = [k for k, row in enumerate(TABLE, start=1) if text in str(row.get(name) or "")]
    assert found(twelve, f'{name}:"*{text}*"') == hits
    assert len(twelve) == 12


def test_pages_meet_every_image_once_both_ways(twelve: Archive) -> None:
    forward, cursor, pages = [], None, []
    while True:
        page = twelve.search("-sex:male", limit=3, cursor=cursor)
        forward += [r["isic_id"] for r in page.results]
        pages.append(page)
        if page.next is None:
            break
        cursor = page.next
    assert [int(i[-4:]) for i in forward] == [2, 4, 5, 7, 9, 11, 12]
    assert [page.count for page in pages] == [7, None, None]
    assert pages[0].previous is None
    back = twelve.search("-sex:male", limit=3, cursor=pages[2].previous)
    assert [r["isic_id"] for r in back.results] == [r["isic_id"] for r in pages[1].results]
    again = twelve.search("-sex:male", limit=3, cursor=back.next)
    assert [r["isic_id"] for r in again.results] == [r["isic_id"] for r in pages[2].results]
    first = twelve.search("-sex:male", limit=3, cursor=back.previous)
    assert ([r["isic_id"] for r in first.results], first.previous) == ([r["isic_id"] for r in pages[0].results], None)


@given(st.text(max_size=30))
@settings(max_examples=100, deadline=None)
def test_a_strange_cursor_is_refused(text: str) -> None:
    try:
        cursor = Cursor.from_text(text)
    except CursorError:
        return
    assert Cursor.from_text(cursor.to_text()) == cursor


def test_walking_and_gathering_find_the_same(twelve: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    from cygnet.archive import search

    queries = [
        "sex:male",
        "-sex:male",
        "isic_id:*1*",
        "sex:female mel_thick_mm:*",
        "age_approx:85 OR isic_id:ISIC_0000001",
    ]
    gathered = [found(twelve, q) for q in queries]
    monkeypatch.setattr(search, "_FEW", 0)
    assert [found(twelve, q) for q in queries] == gathered
    page = twelve.search("sex:male", limit=2, cursor=twelve.search("sex:male", limit=2).next)
    assert [r["isic_id"][-2:] for r in page.results] == ["06", "08"]


def test_facets_are_counted_by_hand(twelve: Archive) -> None:
    facets = twelve.facets("age_approx:[70 TO *]")
    assert facets["sex"] == {
        "buckets": [{"key": "female", "doc_count": 2}, {"key": "male", "doc_count": 2}],
        "meta": {"present_count": 4, "missing_count": 0},
    }
    assert facets["age_approx"]["buckets"] == [{"key": 70, "doc_count": 2}, {"key": 85, "doc_count": 2}]
    assert facets["melanocytic"] == {
        "buckets": [{"key": False, "doc_count": 2}],
        "meta": {"present_count": 2, "missing_count": 2},
    }
    # A condition on images, not profiles, takes the other way to the same form.
    assert twelve.facets("isic_id:ISIC_000000* age_approx:[70 TO *]")["sex"]["buckets"] == [
        {"key": "female", "doc_count": 2},
        {"key": "male", "doc_count": 1},
    ]
