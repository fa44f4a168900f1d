from datetime import UTC, datetime
from uuid import UUID

import msgspec
import pytest

from domain.entry import (
    LONGEST_ACCESS,
    SIGN_OUTS,
    RevokeApiKey,
    SignOut,
    SignOutEverywhere,
    UserSignedOut,
    UserSignedOutEverywhere,
)
from domain.errors import Invalid
from domain.kernel import fold
from domain.user import (
    MAX_DEPARTMENT,
    MAX_NAME,
    USER,
    ChangeEmail,
    ChangeProfile,
    ChangeRole,
    DeactivateUser,
    EmailVerified,
    PasswordSet,
    ReactivateUser,
    RegisterUser,
    Role,
    SetPassword,
    User,
    UserCommand,
    UserDeactivated,
    UserEmailChanged,
    UserEvent,
    UserProfileChanged,
    UserReactivated,
    UserRegistered,
    UserRoleChanged,
    UserStatus,
    VerifyEmail,
    normal_email,
)
from tests.domain.test_entry import CREATE, KEY
from tests.dsl import check, refused

NOW = datetime(2030, 1, 1, tzinfo=UTC)
ANN = UserRegistered(email="ann@x.io", name="Ann", role=Role.MEMBER, department="IT", at=NOW)
GONE = UserDeactivated(reason="left")
HERE = UUID(int=1)


def register(email: str = "ann@x.io", name: str = "Ann", department: str = "IT") -> RegisterUser:
    return RegisterUser(email=email, name=name, role=Role.MEMBER, department=department, at=NOW)


def test_a_user_is_registered_with_a_normal_email_and_trimmed_texts() -> None:
    check(USER, given=[], when=register(" Ann@X.io ", " Ann ", " IT "), then=[ANN])


def test_nobody_is_registered_twice() -> None:
    check(USER, given=[ANN], when=register(), then=refused("user.exists"))


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (register(name=" "), "user.bad_name"),
        (register(name="x" * (MAX_NAME + 1)), "user.bad_name"),
        (register(department="x" * (MAX_DEPARTMENT + 1)), "user.bad_department"),
        (register(email="ann"), "user.bad_email"),
        (register(name="A\x00nn"), "text.has_nul"),
        (register(email="a\x00@x.io"), "text.has_nul"),
    ],
)
def test_texts_of_a_user_are_bounded(command: RegisterUser, code: str) -> None:
    check(USER, given=[], when=command, then=refused(code))


@pytest.mark.parametrize(
    "command",
    [
        ChangeProfile(name="Anne"),
        ChangeEmail(email="anne@x.io"),
        ChangeRole(role=Role.GUEST),
        DeactivateUser(),
        ReactivateUser(at=NOW),
        SetPassword(at=NOW),
        SignOut(session=HERE, at=NOW),
        SignOutEverywhere(at=NOW),
        VerifyEmail(email="ann@x.io"),
        CREATE,
        RevokeApiKey(key=KEY),
    ],
)
def test_who_is_not_registered_cannot_be_changed(command: UserCommand) -> None:
    check(USER, given=[], when=command, then=refused("user.not_found"))


def test_only_what_differs_is_changed() -> None:
    check(
        USER,
        given=[ANN],
        when=ChangeProfile(name=" Anne ", department="IT"),
        then=[UserProfileChanged(name="Anne")],
    )
    check(
        USER,
        given=[ANN],
        when=ChangeProfile(department="HR"),
        then=[UserProfileChanged(department="HR")],
    )


def test_a_department_may_be_emptied() -> None:
    check(
        USER,
        given=[ANN],
        when=ChangeProfile(department=""),
        then=[UserProfileChanged(department="")],
    )


@pytest.mark.parametrize(
    "command",
    [
        ChangeProfile(),
        ChangeProfile(name="Ann", department="IT"),
        ChangeEmail(email="ANN@x.io"),
        ChangeRole(role=Role.MEMBER),
        ReactivateUser(at=NOW),
    ],
)
def test_what_is_already_so_changes_nothing(command: UserCommand) -> None:
    check(USER, given=[ANN], when=command, then=[])


def test_an_email_is_changed_in_its_normal_form() -> None:
    check(
        USER,
        given=[ANN],
        when=ChangeEmail(email="Anne@X.io"),
        then=[UserEmailChanged(email="anne@x.io")],
    )


def test_a_role_is_changed() -> None:
    check(
        USER,
        given=[ANN],
        when=ChangeRole(role=Role.ADMIN),
        then=[UserRoleChanged(role=Role.ADMIN)],
    )


def test_a_user_is_deactivated_once() -> None:
    check(USER, given=[ANN], when=DeactivateUser(reason="left"), then=[GONE])
    check(USER, given=[ANN, GONE], when=DeactivateUser(), then=[])


def test_the_reason_to_deactivate_is_bounded() -> None:
    check(USER, given=[ANN], when=DeactivateUser(reason="x" * 201), then=refused("user.bad_reason"))


def test_a_deactivated_user_can_come_back_and_signs_in_anew() -> None:
    back = [UserReactivated(), UserSignedOutEverywhere(at=NOW)]
    check(USER, given=[ANN, GONE], when=ReactivateUser(at=NOW), then=back)


def test_setting_a_password_leaves_a_trace_each_time_and_ends_every_login() -> None:
    over = UserSignedOutEverywhere(at=NOW)
    check(USER, given=[ANN, PasswordSet()], when=SetPassword(at=NOW), then=[PasswordSet(), over])


def test_an_address_is_verified_once_and_another_one_anew() -> None:
    verify, verified = VerifyEmail(email="ann@x.io"), EmailVerified(email="ann@x.io")
    check(USER, given=[ANN], when=verify, then=[verified])
    check(USER, given=[ANN, verified], when=verify, then=refused("auth.link_used"))
    moved = [ANN, verified, UserEmailChanged(email="anne@x.io")]
    assert fold(USER, [ANN, verified]).email_verified
    assert not fold(USER, moved).email_verified
    check(USER, given=moved, when=verify, then=refused("auth.link_used"))


VERIFIED, MOVED = EmailVerified(email="ann@x.io"), UserEmailChanged(email="anne@x.io")


@pytest.mark.parametrize(
    ("events", "way_back"),
    [
        ([], "ann@x.io"),  # whoever registered them knew it
        ([MOVED], ""),
        ([MOVED, UserEmailChanged(email="ann@x.io")], "ann@x.io"),
        ([MOVED, EmailVerified(email="anne@x.io")], "anne@x.io"),
        ([VERIFIED, MOVED], "ann@x.io"),
        ([VERIFIED, MOVED, UserEmailChanged(email="a@x.io")], "ann@x.io"),
        ([VERIFIED, MOVED, EmailVerified(email="anne@x.io")], "anne@x.io"),
    ],
)
def test_one_comes_back_by_an_address_that_is_theirs_for_sure(
    events: list[UserEvent], way_back: str
) -> None:
    assert fold(USER, [ANN, *events]).way_back == way_back


def test_who_is_not_active_gets_no_key() -> None:
    check(USER, given=[ANN, GONE], when=CREATE, then=refused("user.not_active"))


def test_a_login_ends_once_and_the_others_of_the_person_go_on() -> None:
    over = UserSignedOut(session=HERE, at=NOW)
    check(USER, given=[ANN], when=SignOut(session=HERE, at=NOW), then=[over])
    check(USER, given=[ANN, over], when=SignOut(session=HERE, at=NOW), then=[])
    assert HERE in fold(USER, [ANN, over]).entry.signed_out


def test_a_login_that_ended_is_known_until_its_tokens_have_run_out() -> None:
    often = [UserSignedOut(session=UUID(int=number), at=NOW) for number in range(1, 101)]
    state = fold(USER, [ANN, UserSignedOut(session=HERE, at=NOW), *often])
    assert state.entry.ended(HERE)
    late = UserSignedOut(session=UUID(int=101), at=NOW + LONGEST_ACCESS)
    assert list(USER.evolve(state, late).entry.signed_out) == [late.session]


def test_only_so_many_ends_of_logins_are_remembered() -> None:
    sessions = [UUID(int=number) for number in range(SIGN_OUTS + 1)]
    ends = [UserSignedOut(session=session, at=NOW) for session in sessions]
    assert list(fold(USER, [ANN, *ends]).entry.signed_out) == sessions[1:]


def test_the_state_is_what_the_events_say() -> None:
    state = fold(
        USER,
        [
            ANN,
            UserProfileChanged(name="Anne"),
            UserProfileChanged(department="HR"),
            UserEmailChanged(email="anne@x.io"),
            UserRoleChanged(role=Role.AUDITOR),
            PasswordSet(),
            GONE,
        ],
    )
    known = User("anne@x.io", "Anne", Role.AUDITOR, "HR", UserStatus.DEACTIVATED)
    assert state == msgspec.structs.replace(known, invited="ann@x.io")
    assert not state.active
    assert USER.evolve(state, UserReactivated()).active


def test_two_spellings_of_an_address_are_one() -> None:
    assert normal_email("  Ann.Lee+x@Example.ORG ") == "ann.lee+x@example.org"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ann",
        "@x.io",
        "ann@",
        "a@b@x.io",
        "an n@x.io",
        "ann@x.io\nbcc:bob@x.io",
        "ann@x\u00a0.io",
        "Ann <ann@x.io>",
        "a" * 250 + "@x.io",
    ],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(Invalid, match=r"user\.bad_email"):
        normal_email(text)
