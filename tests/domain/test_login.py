from uuid import UUID

from domain.login import LOGIN, BeginLogin, LoginBegun
from tests.dsl import check, refused

ANN = UUID(int=1)


def test_a_login_begins_once() -> None:
    begin, begun = BeginLogin(user=ANN, way="password"), LoginBegun(user=ANN, way="password")
    check(LOGIN, given=[], when=begin, then=[begun])
    check(LOGIN, given=[begun], when=begin, then=refused("login.exists"))
