"""Renaming keys in a text."""

from modelwright.app.document.mend import Renaming, renamed


def test_only_the_keys_change() -> None:
    text = "modles:  # models\n  a: {sorce: ./x, 'chek': y}\n"
    wanted = [
        Renaming(line=1, column=0, old="modles", new="models"),
        Renaming(line=2, column=6, old="sorce", new="source"),
        Renaming(line=2, column=18, old="chek", new="check"),
    ]
    assert renamed(text, wanted) == ("models:  # models\n  a: {source: ./x, 'check': y}\n", tuple(wanted))


def test_a_key_that_does_not_stand_there_is_left_alone() -> None:
    text = "a: 1\r\nb: 2\r\n"
    assert renamed(text, [Renaming(2, 0, "x", "y"), Renaming(9, 0, "a", "b"), Renaming(1, 0, "a", "c")]) == (
        "c: 1\r\nb: 2\r\n",
        (Renaming(1, 0, "a", "c"),),
    )


def test_a_key_that_two_aliases_show_is_renamed_once() -> None:
    one = Renaming(1, 0, "aa", "a")
    assert renamed("aa: 1", [one, one]) == ("a: 1", (one,))
