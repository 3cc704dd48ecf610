"""Responses of the web servers in front of the API, not of the API itself: pages for browsers."""

from http import HTTPStatus

from gateway.simulator.exchange import Response

__all__ = ["bad_request", "not_found", "service_unavailable", "unsupported_media_type"]


def _page(status: HTTPStatus, text: str) -> Response:
    html = (
        f"<html>\n<head>\n<title>Error {status.value} {status.phrase}</title>\n</head>\n"
        f"<body><h2>HTTP ERROR {status.value} {status.phrase}</h2>\n<p>{text}</p>\n</body>\n</html>\n"
    )
    return Response(status, html.encode(), "text/html;charset=utf-8")


def not_found(path: str) -> Response:
    """Jetty's page for a path outside the API."""
    shown = path.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _page(HTTPStatus.NOT_FOUND, f"Problem accessing {shown}. Reason: Not Found")


def bad_request() -> Response:
    """For a path with an ambiguous meaning."""
    return _page(HTTPStatus.BAD_REQUEST, "Ambiguous URI path segment")


def unsupported_media_type() -> Response:
    """For a body that is not declared as JSON."""
    return _page(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Content-Type must be application/json")


def service_unavailable() -> Response:
    """The proxy's page while the service behind it is down."""
    return _page(HTTPStatus.SERVICE_UNAVAILABLE, "no healthy upstream")
