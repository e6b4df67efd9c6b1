"""A stream of server-sent events does not end: of each answer of that type the first event is read, and
then we hang up, as a page does that is closed. Everything else is requests' own way."""

from requests.adapters import HTTPAdapter

send = HTTPAdapter.send


def send_and_hang_up(self, request, **kwargs):
    response = send(self, request, **kwargs)
    if response.headers.get("Content-Type", "").startswith("text/event-stream"):
        first = b""
        for piece in response.raw.stream(1):
            first += piece
            if first.endswith(b"\n\n"):
                break
        response._content, response._content_consumed = first, True
        response.raw.close()
    return response


HTTPAdapter.send = send_and_hang_up
