"""/uploads: the local files by signed links, where LOCAL_PUBLIC_URL says that they are."""

from litestar import Router, get

from api.auth import Open, guard
from api.files import content
from api.limiting import RateLimit

download = get("/{key:str}", opt={"action": Open.PUBLIC})(content.fn)

uploads = Router(
    "/uploads",
    route_handlers=[download],
    guards=[guard],
    middleware=[RateLimit()],
    tags=["files"],
)
