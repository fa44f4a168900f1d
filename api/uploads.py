"""/uploads: the local files by signed links, where LOCAL_PUBLIC_URL says that they are."""

from litestar import Router, route

from api.auth import Open, enter
from api.files import METHODS, content

download = route("/{key:str}", http_method=METHODS, opt={"action": Open.PUBLIC})(content.fn)

uploads = Router(
    "/uploads",
    route_handlers=[download],
    before_request=enter,
    tags=["files"],
)
