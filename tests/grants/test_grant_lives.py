"""Any sequence of presenting, waiting, revoking and restoring leads codes and families where TRANSITIONS say, and nowhere else.

The model of the real Issuance and Store knows nothing but the two tables of transitions, times and epochs: it is what an engineer
who read only the drawings in service/oauth/codes.py and families.py would expect. Some requests are cut off: their deciding write
takes effect, and no answer arrives from there on.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

import pytest
from botocore.exceptions import ReadTimeoutError
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)

from service.oauth import codes, credentials, families, pkce
from service.oauth.clients import Client
from service.oauth.errors import InvalidGrant, InvalidScope, OAuthError
from service.oauth.token_request import CodeGrant, RefreshGrant
from service.storage import item_codec
from service.storage.conditional_writes import StoreUnavailable
from service.storage.revocations import RevokingStore
from service.token_issuance import ACCESS_TOKEN_SECONDS, Issuance, Issued
from tests.fakes.intercepted import Intercepted
from tests.fakes.tables import Tables
from tests.grants import mutants

START = 1_800_000_000
REDIRECT, VERIFIER = "https://web.example/callback", "v" * 43
WEB = Client("web", "Web", (REDIRECT,), ("profile", "email"), "https://auth.example")
OTHER = Client("other", "Other", (REDIRECT,), ("profile", "email"), "https://auth.example")
STATE, TOKENS, REVOCATIONS = TABLES = "lives-state", "lives-tokens", "lives-revocations"
RARELY = st.sampled_from([0, 0, 0, 0, 0, 0, 0, 1])
"""What ends most of what there is."""
WRONG = ("client", "redirect_uri", "verifier")


@dataclass
class Family:
    """What is expected of a family. tokens: all its refresh tokens, the current one last; None for one that no client got.

    exchanged: the token that the current one was issued for, and when that was exchanged first; unanswered: no answer was sent since.
    """

    ends_at: int
    epoch: int
    tokens: list[str | None]
    phase: families.Phase = families.Phase.LIVE
    exchanged: str | None = None
    exchanged_at: int = 0
    unanswered: bool = False

    def presented(self, token, now, grace_seconds):
        if token == self.tokens[-1]:
            return families.Presented.CURRENT
        if token == self.exchanged and self.unanswered and now < self.exchanged_at + 60:
            return families.Presented.UNANSWERED
        if token == self.exchanged and now < self.exchanged_at + grace_seconds:
            return families.Presented.PRECEDING
        return families.Presented.EARLIER


@dataclass
class Code:
    """What is expected of a code."""

    text: str
    ends_at: int
    session_ends_at: int
    epoch: int
    phase: codes.Phase = codes.Phase.LIVE
    family: Family | None = None
    redeemed_at: int = 0


@dataclass
class Key:
    """Signs: what an access token says, as its text."""

    signed: list = field(default_factory=list)

    def sign(self, token):
        self.signed.append(token)
        return f"access-{len(self.signed)}"


class Lives(RuleBasedStateMachine):
    """One service, its clock, and everything that it ever issued."""

    stored_in = RevokingStore
    all_codes = Bundle("codes")
    all_families = Bundle("families")

    @initialize(seed=st.integers(0, 2**32), grace_seconds=st.sampled_from([0, 10, 60]))
    def begin(self, seed, grace_seconds):
        self.now, self.epoch = START, 0
        self.random, self.key = Random(seed), Key()
        self.tables = Tables(*TABLES)
        self.store = self.stored_in(self.tables, *TABLES)
        self.grace_seconds, self.pauses = grace_seconds, []
        networked = self.stored_in(Intercepted(self.tables, self._over_the_network), *TABLES)
        self.cuts = self.cut_off = False
        self.issuance = Issuance(
            "https://auth.example", networked, self.key, self.random.randbytes, grace_seconds, self.pauses.append
        )
        self.families: list[Family] = []

    def _over_the_network(self, operation, _params, call):
        """Let a call through; where a request is to be cut off, its first update is the last that gets through."""
        if self.cut_off:
            raise ReadTimeoutError(endpoint_url="simulated")
        answer = call()
        if self.cuts and operation == "update_item":
            self.cut_off = True
            raise ReadTimeoutError(endpoint_url="simulated")
        return answer

    @rule(target=all_codes, session_seconds=st.sampled_from([60, 300, 1000, 3600]))
    def a_person_logs_in(self, session_seconds):
        return self._login(session_seconds)

    def _login(self, session_seconds):
        credential = credentials.mint(credentials.Kind.CODE, self.random.randbytes(32), synthetic=False)
        code = codes.Code(
            digest=credential.digest, synthetic=False, client_id="web", redirect_uri=REDIRECT, scope=WEB.scopes,
            audience=WEB.audience, subject="demo:ada", code_challenge=pkce.challenge_of(VERIFIER), session=None,
            session_expires_at=self.now + session_seconds, epoch=self.epoch, expires_at=self.now + codes.LIFETIME_SECONDS,
        )  # fmt: skip
        self.tables.put_item(TableName=STATE, Item=item_codec.encode_code(code))
        ends_at = min(code.expires_at, code.session_expires_at)
        return Code(credential.text, ends_at, code.session_expires_at, self.epoch)

    @rule(target=all_families)
    def a_person_logs_in_and_the_client_redeems(self):
        return self.a_code_is_presented(self._login(3600), None)

    @rule(code=all_codes)
    def the_answer_to_a_code_is_lost(self, code):
        if self._code_phase(code) is not codes.Phase.LIVE:
            return
        answer = self._send(self.issuance.redeem, CodeGrant(code.text, REDIRECT, VERIFIER), WEB, cuts=True)
        assert isinstance(answer, StoreUnavailable)
        code.phase, code.redeemed_at = codes.Phase.UNANSWERED, self.now
        code.family = Family(code.session_ends_at, self.epoch, [None])

    @rule(target=all_families, code=all_codes, wrong=st.sampled_from([None, None, None, *WRONG]))
    def a_code_is_presented(self, code, wrong):
        presented = codes.Presented.WRONGLY if wrong else codes.Presented.RIGHTLY
        code.phase, effect = codes.TRANSITIONS[self._code_phase(code), presented]
        if effect is codes.Effect.REVOKE_FAMILY:
            self._revoke(code.family)
        grant = CodeGrant(
            code.text,
            "https://web.example/elsewhere" if wrong == "redirect_uri" else REDIRECT,
            "w" * 43 if wrong == "verifier" else VERIFIER,
        )
        issued = self._send(self.issuance.redeem, grant, OTHER if wrong == "client" else WEB)
        if effect in {codes.Effect.REFUSE, codes.Effect.REVOKE_FAMILY}:
            assert isinstance(issued, InvalidGrant)
            return multiple()
        assert isinstance(issued, Issued)
        code.family = Family(code.session_ends_at, self.epoch, [issued.refresh_token])
        self._check(issued, code.family, WEB.scopes)
        self.families.append(code.family)
        return code.family

    @rule(family=all_families, age=st.sampled_from([0, 0, 0, 1, 2]), scope=st.sampled_from([None, "profile"]))
    def a_refresh_token_is_presented(self, family, age, scope):
        token = self._token(family, age)
        presented = family.presented(token, self.now, self.grace_seconds)
        family.phase, effect = families.TRANSITIONS[self._family_phase(family), presented]
        issued = self._send(self.issuance.refresh, RefreshGrant(token, scope), WEB)
        if effect in {families.Effect.REFUSE, families.Effect.REVOKE}:
            assert isinstance(issued, InvalidGrant)
            return
        self._check(issued, family, ("profile",) if scope else WEB.scopes)
        assert issued.refresh_token not in family.tokens
        if effect is families.Effect.REPEAT:
            family.tokens[-1] = issued.refresh_token
        else:
            family.tokens.append(issued.refresh_token)
        if effect is families.Effect.ROTATE:
            family.exchanged, family.exchanged_at = token, self.now
        family.unanswered = False

    @rule(family=all_families, age=st.sampled_from([0, 0, 1]))
    def the_answer_to_a_refresh_is_lost(self, family, age):
        token = self._token(family, age)
        presented = family.presented(token, self.now, self.grace_seconds)
        effect = families.TRANSITIONS[self._family_phase(family), presented][1]
        if effect not in {families.Effect.ROTATE, families.Effect.REPLACE}:
            return
        answer = self._send(self.issuance.refresh, RefreshGrant(token, None), WEB, cuts=True)
        assert isinstance(answer, StoreUnavailable)
        family.tokens.append(None)
        if effect is families.Effect.ROTATE:
            family.exchanged, family.exchanged_at = token, self.now
        family.unanswered = True

    def _token(self, family, age):
        """A token that the client has, the newest at age 0."""
        held = [token for token in family.tokens if token is not None]
        return held[max(0, len(held) - 1 - age)]

    @rule(family=all_families, age=st.integers(0, 2))
    def another_client_s_refresh_token_is_presented(self, family, age):
        token = self._token(family, age)
        assert isinstance(self._send(self.issuance.refresh, RefreshGrant(token, None), OTHER), InvalidGrant)

    @rule(family=all_families)
    def a_wider_scope_is_requested(self, family):
        if family.tokens[-1] is None:
            return
        refused = self._send(self.issuance.refresh, RefreshGrant(family.tokens[-1], "profile admin"), WEB)
        assert isinstance(refused, InvalidScope if self._family_phase(family) is families.Phase.LIVE else InvalidGrant)

    @rule(family=all_families)
    def a_client_revokes_its_grant(self, family):
        name = credentials.parse(family.tokens[0], credentials.Kind.REFRESH).family
        self.store.revoke(name, families.Cause.REQUEST, self.now, synthetic=False)
        self._revoke(family)

    @rule(seconds=st.sampled_from([1, 1, 1, 9, 10, 59, 60, 61, 119, 120, 700]))
    def time_goes_on(self, seconds):
        self.now += seconds

    @rule(happens=RARELY)
    def a_restore_raises_the_epoch(self, happens):
        self.epoch += happens
        self.tables.put_item(TableName=TOKENS, Item={"pk": {"S": "epoch"}, "epoch": {"N": str(self.epoch)}})

    @precondition(lambda self: self.epoch > 0)  # otherwise it would leave few codes to present
    @rule(code=consumes(all_codes))
    def an_item_of_a_code_is_cleaned_up(self, code):
        """DynamoDB's time to live: a code whose item is gone is refused like one that never was."""
        digest = credentials.digest(code.text)
        self.tables.delete_item(TableName=STATE, Key=item_codec.primary_key("code", digest, synthetic=False))
        grant = CodeGrant(code.text, REDIRECT, VERIFIER)
        assert isinstance(self._send(self.issuance.redeem, grant, WEB), InvalidGrant)

    @invariant()
    def what_is_stored_lives_as_long_as_expected(self):
        for family in getattr(self, "families", []):
            name = credentials.parse(family.tokens[0], credentials.Kind.REFRESH).family
            stored, epoch = self.store.read_family_and_epoch(name, synthetic=False)
            assert families.phase(stored, self.now, epoch) is self._family_phase(family)
            assert stored.generation == len(family.tokens)
            for token in {token for token in family.tokens if token is not None}:
                presented = families.presented(stored, credentials.digest(token), self.now, self.grace_seconds)
                assert presented is family.presented(token, self.now, self.grace_seconds)

    def _send(self, ask, grant, client, *, cuts=False):
        self.cuts, self.cut_off = cuts, False
        try:
            return ask(grant, client, self.now)
        except (OAuthError, StoreUnavailable) as error:
            return error
        finally:
            self.cuts = self.cut_off = False

    def _check(self, issued, family, scope):
        assert isinstance(issued, Issued)
        said = self.key.signed[-1]
        assert issued.access_token == f"access-{len(self.key.signed)}"
        assert issued.expires_in == said.expires_at - self.now == min(ACCESS_TOKEN_SECONDS, family.ends_at - self.now)
        assert issued.scope == said.scope == scope
        assert said.epoch == self.epoch

    def _revoke(self, family):
        if family.phase is not families.Phase.REVOKED:
            family.phase = families.Phase.REVOKED

    def _code_phase(self, code):
        if code.phase is codes.Phase.LIVE and (self.now >= code.ends_at or code.epoch < self.epoch):
            code.phase = codes.Phase.LAPSED
        retry_ends_at = min(code.redeemed_at + 60, code.session_ends_at)
        if code.phase is codes.Phase.UNANSWERED and (self.now >= retry_ends_at or code.epoch < self.epoch):
            code.phase = codes.Phase.REDEEMED
        return code.phase

    def _family_phase(self, family):
        if family.phase is families.Phase.LIVE and (self.now >= family.ends_at or family.epoch < self.epoch):
            family.phase = families.Phase.LAPSED
        return family.phase


FEW = settings(max_examples=150, stateful_step_count=30, deadline=None)


def test_codes_and_families_live_as_their_transitions_say():
    run_state_machine_as_test(Lives, settings=FEW)


@pytest.mark.parametrize("mutant", [mutants.NeverRevokes, mutants.NeverAnswers, mutants.AnswersWhenItDecides])
def test_a_store_that_is_wrong_does_not_pass_for_one_that_is_right(mutant):
    class Broken(Lives):
        stored_in = mutant

    # It ends at the first example that shows the mistake, so a large number of them costs nothing.
    many = settings(FEW, max_examples=5_000, phases=[Phase.generate], print_blob=False)
    with pytest.raises(AssertionError):
        run_state_machine_as_test(Broken, settings=many)
