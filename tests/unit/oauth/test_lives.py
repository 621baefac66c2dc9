"""The lives of codes, families and logins: exhaustively, from the tables that say what may happen."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.oauth import codes, credentials, families, logins, pkce, validity
from service.oauth.codes import Code, Redemption
from service.oauth.credentials import Kind
from service.oauth.families import Cause, Exchange, Family
from service.oauth.logins import Login

NOW = 1_000_000
VERIFIER = "v" * 43
CODE = Code(
    digest="d", synthetic=False, client_id="c", redirect_uri="https://c.example/cb", scope=("profile",), audience="a",
    subject="s", code_challenge=pkce.challenge_of(VERIFIER), session=None, session_expires_at=NOW + 1000, epoch=3,
    expires_at=NOW + 100,
)  # fmt: skip
RIGHT = Redemption("c", "https://c.example/cb", VERIFIER)
WRONG = [
    replace(RIGHT, client_id="other"),
    replace(RIGHT, redirect_uri="https://c.example/"),
    replace(RIGHT, verifier="w" * 43),
    replace(RIGHT, verifier=""),
    replace(RIGHT, client_id="ü"),
]
FAMILY = Family(
    family_id="f", synthetic=False, client_id="c", scope=("profile",), audience="a", subject="s", session=None, epoch=3,
    generation=1, refresh_hash="current", rotated_by="n", expires_at=NOW + 100,
)  # fmt: skip
EXCHANGED = replace(FAMILY, generation=2, exchange=Exchange("exchanged", NOW - 5, "n"))
LOST = replace(EXCHANGED, exchange=Exchange("exchanged", NOW - 5, "n", unanswered="salt"))
LOGIN = Login(
    digest="d", synthetic=False, client_id="c", redirect_uri="r", scope=(), audience="a", state=None, code_challenge="x",
    browser="b", epoch=0, expires_at=NOW + 600,
)  # fmt: skip


@pytest.mark.parametrize("life", [codes, families])
def test_the_table_says_what_happens_in_every_phase_to_whatever_is_presented(life):
    assert set(life.TRANSITIONS) == set(product(life.Phase, life.Presented))


def test_only_a_live_code_presented_rightly_issues_anything():
    issuing = [moment for moment, (_, effect) in codes.TRANSITIONS.items() if effect is codes.Effect.ISSUE]
    assert issuing == [(codes.Phase.LIVE, codes.Presented.RIGHTLY)]


def test_no_code_and_no_family_ever_comes_back_to_life():
    for life in (codes, families):
        for (before, _), (after, _) in life.TRANSITIONS.items():
            assert after is not life.Phase.LIVE or before is life.Phase.LIVE


def test_a_lapsed_or_redeemed_code_and_a_family_that_ended_stay_what_they_are():
    ends = {codes.Phase.LAPSED, codes.Phase.REDEEMED, families.Phase.LAPSED, families.Phase.REVOKED}
    for life in (codes, families):
        assert all(after is before for (before, _), (after, _) in life.TRANSITIONS.items() if before in ends)


def test_only_the_client_with_its_verifier_revokes_what_a_code_issued():
    revoking = [moment for moment, (_, effect) in codes.TRANSITIONS.items() if effect is codes.Effect.REVOKE_FAMILY]
    assert revoking == [(codes.Phase.REDEEMED, codes.Presented.RIGHTLY)]


def test_only_the_current_token_of_a_live_family_rotates():
    rotating = [moment for moment, (_, effect) in families.TRANSITIONS.items() if effect is families.Effect.ROTATE]
    assert rotating == [(families.Phase.LIVE, families.Presented.CURRENT)]


@pytest.mark.parametrize(
    ("code", "epoch", "phase"),
    [
        (CODE, 3, codes.Phase.LIVE),
        (CODE, 2, codes.Phase.LIVE),
        (CODE, 4, codes.Phase.LAPSED),
        (replace(CODE, expires_at=NOW + 1), 3, codes.Phase.LIVE),
        (replace(CODE, expires_at=NOW), 3, codes.Phase.LAPSED),
        (replace(CODE, session_expires_at=NOW), 3, codes.Phase.LAPSED),
        (replace(CODE, redeemed_by="n"), 3, codes.Phase.REDEEMED),
        (replace(CODE, redeemed_by="n", expires_at=NOW), 4, codes.Phase.REDEEMED),
        (replace(CODE, redeemed_by="n", redeemed_at=NOW - 59, unanswered="salt"), 3, codes.Phase.UNANSWERED),
        (replace(CODE, redeemed_by="n", redeemed_at=NOW, unanswered="salt", expires_at=NOW), 3, codes.Phase.UNANSWERED),
        (replace(CODE, redeemed_by="n", redeemed_at=NOW - 60, unanswered="salt"), 3, codes.Phase.REDEEMED),
        (replace(CODE, redeemed_by="n", redeemed_at=NOW, unanswered="salt"), 4, codes.Phase.REDEEMED),
        (
            replace(CODE, redeemed_by="n", redeemed_at=NOW, unanswered="salt", session_expires_at=NOW),
            3,
            codes.Phase.REDEEMED,
        ),
        (replace(CODE, redeemed_by="n", redeemed_at=NOW), 3, codes.Phase.REDEEMED),
    ],
)
def test_a_code_is_live_until_it_is_redeemed_expires_or_a_restore_comes(code, epoch, phase):
    assert codes.phase(code, NOW, epoch) is phase


def test_a_code_is_presented_rightly_with_its_client_redirect_and_verifier_only():
    assert codes.presented(CODE, RIGHT) is codes.Presented.RIGHTLY
    assert [codes.presented(CODE, wrong) for wrong in WRONG] == [codes.Presented.WRONGLY] * len(WRONG)


@pytest.mark.parametrize("redemption", [RIGHT, *WRONG])
@pytest.mark.parametrize(
    "redeemed", [{}, {"redeemed_by": "n"}, {"redeemed_by": "n", "redeemed_at": NOW, "unanswered": "salt"}]
)
@pytest.mark.parametrize("now", [NOW, NOW + 100])
def test_the_effect_is_the_table_s(redemption, redeemed, now):
    code = replace(CODE, **redeemed)
    expected = codes.TRANSITIONS[codes.phase(code, now, 3), codes.presented(code, redemption)][1]
    assert codes.effect(code, redemption, now, 3) is expected


@pytest.mark.parametrize(
    ("family", "epoch", "phase"),
    [
        (FAMILY, 3, families.Phase.LIVE),
        (FAMILY, 4, families.Phase.LAPSED),
        (replace(FAMILY, expires_at=NOW), 3, families.Phase.LAPSED),
        (replace(FAMILY, revoked_because=Cause.REUSE), 3, families.Phase.REVOKED),
        (replace(FAMILY, revoked_because=Cause.REPLAY, expires_at=NOW), 4, families.Phase.REVOKED),
    ],
)
def test_a_family_is_live_until_it_is_revoked_expires_or_a_restore_comes(family, epoch, phase):
    assert families.phase(family, NOW, epoch) is phase


@pytest.mark.parametrize("family", [FAMILY, EXCHANGED, LOST], ids=["first", "exchanged", "unanswered"])
@pytest.mark.parametrize("token", ["current", "exchanged", "earlier"])
@pytest.mark.parametrize("cause", [None, *Cause])
@pytest.mark.parametrize("now", [NOW, NOW + 100])
@pytest.mark.parametrize("grace_seconds", [0, 10])
def test_a_refresh_has_the_effect_of_the_table(family, token, cause, now, grace_seconds):
    family = replace(family, revoked_because=cause)
    presented = families.presented(family, token, now, grace_seconds)
    expected = families.TRANSITIONS[families.phase(family, now, 3), presented][1]
    assert families.effect(family, token, "c", now, 3, grace_seconds=grace_seconds) is expected


@pytest.mark.parametrize(
    ("family", "token", "seconds", "grace_seconds", "presented"),
    [
        (EXCHANGED, "current", 0, 10, families.Presented.CURRENT),
        (EXCHANGED, "exchanged", 0, 10, families.Presented.PRECEDING),
        (EXCHANGED, "exchanged", 9, 10, families.Presented.PRECEDING),
        (EXCHANGED, "exchanged", 10, 10, families.Presented.EARLIER),
        (EXCHANGED, "exchanged", 0, 0, families.Presented.EARLIER),
        (EXCHANGED, "earlier", 0, 10, families.Presented.EARLIER),
        (LOST, "exchanged", 0, 0, families.Presented.UNANSWERED),
        (LOST, "exchanged", 59, 10, families.Presented.UNANSWERED),
        (LOST, "exchanged", 60, 10, families.Presented.EARLIER),
        (LOST, "current", 0, 10, families.Presented.CURRENT),
        (LOST, "earlier", 0, 10, families.Presented.EARLIER),
        # An earlier release rotated since, and recorded no exchange.
        (replace(EXCHANGED, rotated_by="later"), "exchanged", 0, 10, families.Presented.EARLIER),
        (replace(LOST, rotated_by="later"), "exchanged", 0, 10, families.Presented.EARLIER),
    ],
)
def test_the_token_before_the_current_one_may_come_again_for_a_while(family, token, seconds, grace_seconds, presented):
    now = family.exchange.at + seconds
    assert families.presented(family, token, now, grace_seconds) is presented


def test_the_salt_of_the_current_token_is_known_while_it_is_unanswered():
    assert [families.unanswered_salt(one) for one in (FAMILY, EXCHANGED, LOST)] == [None, None, "salt"]
    assert families.unanswered_salt(replace(LOST, rotated_by="later")) is None
    assert [families.as_answered(one) for one in (FAMILY, EXCHANGED, LOST)] == [FAMILY, EXCHANGED, EXCHANGED]


@pytest.mark.parametrize(
    ("family", "epoch", "unused"),
    [
        (FAMILY, 3, True),
        (FAMILY, 4, False),
        (EXCHANGED, 3, False),
        (replace(FAMILY, expires_at=NOW), 3, False),
        (replace(FAMILY, revoked_because=Cause.REQUEST), 3, False),
    ],
)
def test_a_family_is_unused_while_it_lives_and_its_first_token_was_never_exchanged(family, epoch, unused):
    assert families.is_unused(family, NOW, epoch) is unused


@pytest.mark.parametrize("cause", [None, *Cause])
@pytest.mark.parametrize("now", [NOW, NOW + 100])
@pytest.mark.parametrize("client_id", ["c", "other"])
def test_giving_up_revokes_a_family_that_lives_and_is_the_client_s_own(cause, now, client_id):
    family = replace(FAMILY, revoked_because=cause)
    revokes = families.phase(family, now, 3) is families.Phase.LIVE and client_id == "c"
    expected = families.Effect.REVOKE if revokes else families.Effect.REFUSE
    assert families.effect_of_giving_up(family, client_id, now, 3) is expected


@pytest.mark.parametrize("family", [FAMILY, EXCHANGED, LOST], ids=["first", "exchanged", "unanswered"])
@pytest.mark.parametrize("token", ["current", "exchanged", "earlier"])
def test_another_client_gets_nothing_and_changes_nothing(family, token):
    assert families.effect(family, token, "other", NOW, 3, grace_seconds=10) is families.Effect.REFUSE


@given(st.integers(), st.integers(), st.integers(), st.integers())
def test_what_was_issued_counts_before_its_end_and_under_no_later_epoch(ends_at, epoch, now, current_epoch):
    expected = now < ends_at and not current_epoch > epoch
    assert validity.counts(ends_at=ends_at, epoch=epoch, now=now, current_epoch=current_epoch) is expected


def test_a_login_belongs_to_its_browser_while_it_lives():
    assert logins.belongs_to(LOGIN, "b", NOW)
    assert not logins.belongs_to(LOGIN, "other", NOW)
    assert not logins.belongs_to(LOGIN, "b", NOW + 600)


@pytest.mark.parametrize(
    ("login", "poll"),
    [
        (LOGIN, logins.Poll.ASK),
        (replace(LOGIN, polled_at=NOW - 1), logins.Poll.ASK),
        (replace(LOGIN, polled_at=NOW), logins.Poll.WAIT),
        (replace(LOGIN, polls=logins.MAX_POLLS), logins.Poll.GIVE_UP),
    ],
)
def test_a_poll_asks_the_platform_at_most_once_a_second_and_not_for_ever(login, poll):
    assert logins.poll(login, NOW) is poll


def test_a_login_s_short_code_is_the_same_each_time_and_another_s_is_another():
    codes_shown = {logins.user_code(f"digest-{number}") for number in range(200)}
    assert len(codes_shown) == 200
    assert logins.user_code("digest-0") in codes_shown
    letters = {letter for code in codes_shown for letter in code}
    assert letters == {*logins.USER_CODE_CHARACTERS, "-"}
    assert all(len(code) == 9 and code[4] == "-" for code in codes_shown)


# Credentials


@given(st.binary(min_size=32, max_size=32), st.booleans(), st.sampled_from([Kind.CODE, Kind.LOGIN]))
def test_a_credential_is_read_back_as_what_it_was_minted(entropy, synthetic, kind):
    minted = credentials.mint(kind, entropy, synthetic=synthetic)
    assert credentials.parse(minted.text, kind) == minted
    assert minted.digest == credentials.base64url(hashlib.sha256(minted.text.encode()).digest())
    assert all(credentials.parse(minted.text, other) is None for other in Kind if other is not kind)


@given(st.binary(min_size=16, max_size=16), st.binary(min_size=32, max_size=32), st.booleans())
def test_a_refresh_token_names_its_family_and_nothing_else_does(handle, entropy, synthetic):
    minted = credentials.mint_refresh(credentials.handle_from(handle), entropy, synthetic=synthetic)
    parsed = credentials.parse(minted.text, Kind.REFRESH)
    assert parsed == minted
    assert parsed.family == credentials.digest(parsed.handle)
    assert parsed.handle not in parsed.family
    assert credentials.parse(minted.text, Kind.CODE) is None


@given(st.binary(min_size=32, max_size=32), st.booleans())
def test_the_tokens_that_a_code_or_token_is_used_for_follow_from_it_and_a_salt_alone(entropy, synthetic):
    code = credentials.mint(Kind.CODE, entropy, synthetic=synthetic)
    first = credentials.derive_first_refresh(code, VERIFIER, "salt")
    following = credentials.derive_next_refresh(first, "salt")
    assert first == credentials.derive_first_refresh(code, VERIFIER, "salt")
    assert following == credentials.derive_next_refresh(first, "salt")
    assert [credentials.parse(one.text, Kind.REFRESH) for one in (first, following)] == [first, following]
    assert (following.family, following.synthetic) == (first.family, synthetic)
    others = [
        credentials.derive_first_refresh(code, VERIFIER, "other salt"),
        credentials.derive_first_refresh(code, "w" * 43, "salt"),
        credentials.derive_first_refresh(replace(code, text=f"{code.text}x"), VERIFIER, "salt"),
        credentials.derive_next_refresh(first, "other salt"),
        credentials.derive_next_refresh(following, "salt"),
    ]
    assert len({one.text for one in (first, following, *others)}) == len(others) + 2
    assert len({one.family for one in (first, *others[:3])}) == 4


def test_a_code_is_not_exchanged_for_a_next_refresh_token():
    with pytest.raises(ValueError, match="only a refresh token"):
        credentials.derive_next_refresh(credentials.mint(Kind.CODE, b"x" * 32, synthetic=False), "salt")


@pytest.mark.parametrize(
    "text",
    ["", "ibc_", "ibc_" + "a" * 42, "ibc_" + "a" * 44, "xbc_" + "a" * 43, "ibc_" + "!" * 43, "ibc_" + "a" * 43 + "\n"],
)
def test_what_we_cannot_have_minted_is_no_credential(text):
    assert credentials.parse(text, Kind.CODE) is None


def test_a_refresh_token_without_a_handle_is_none():
    assert credentials.parse("ibr_" + "a" * 43, Kind.REFRESH) is None


def test_too_little_randomness_is_refused():
    with pytest.raises(ValueError, match="32 random bytes"):
        credentials.mint(Kind.CODE, b"x" * 31, synthetic=False)
    with pytest.raises(ValueError, match="16 random bytes"):
        credentials.handle_from(b"x" * 15)
    with pytest.raises(ValueError, match="needs a handle"):
        credentials.mint(Kind.REFRESH, b"x" * 32, synthetic=False)


@pytest.mark.parametrize("synthetic", [False, True])
def test_a_login_s_code_follows_from_its_transaction_browser_and_nonce_and_from_nothing_less(synthetic):
    secrets = ("ibl_" + "t" * 43, "b" * 43, "n" * 22)
    code = credentials.derive_code(*secrets, synthetic=synthetic)
    assert credentials.derive_code(*secrets, synthetic=synthetic) == code
    assert credentials.parse(code.text, Kind.CODE) == code
    assert code.synthetic is synthetic
    for position in range(3):
        other = [*secrets[:position], secrets[position][:-1] + "x", *secrets[position + 1 :]]
        assert credentials.derive_code(*other, synthetic=synthetic).text != code.text
    assert not any(secret in code.text for secret in secrets)


def test_a_code_belongs_to_no_family():
    with pytest.raises(ValueError, match="only a refresh token"):
        _ = credentials.mint(Kind.CODE, b"x" * 32, synthetic=False).family


def test_a_credential_does_not_show_itself():
    minted = credentials.mint_refresh("h" * 22, b"x" * 32, synthetic=False)
    assert minted.text not in repr(minted)
    assert "h" * 22 not in repr(minted)
