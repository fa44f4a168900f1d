"""The API process: first its port, then what it takes seconds to load.

Whoever comes meanwhile, as all do after a crash, waits to be accepted; refused they would come
back later and later.
"""

import sys
from functools import partial

from api.listening import listen
from infra.exits import EXIT_CONFIG, fatal
from infra.settings import load_settings


def main() -> int:
    settings = load_settings()
    try:
        listener = listen(settings)
    except OSError as error:
        return fatal(EXIT_CONFIG, error)
    with listener:
        from api.serving import serve  # noqa: PLC0415, as above
        from infra.log import observe  # noqa: PLC0415
        from infra.process import run  # noqa: PLC0415

        observe(settings, "api")
        return run(settings, partial(serve, listener))


if __name__ == "__main__":
    sys.exit(main())
