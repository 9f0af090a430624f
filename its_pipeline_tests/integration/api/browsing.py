"""What a browser sends to the pages, and the message that it shows."""

from __future__ import annotations

import re
import threading
from concurrent.futures import ThreadPoolExecutor

import httpx

from its_pipeline.api.http.page_requests import COOKIE


class Browser:
    """What a browser does: cookies, its own origin on forms, redirects."""

    def __init__(self, live, who=None):
        cookies = {COOKIE: live.tokens[who]} if who else {}
        self.client = httpx.Client(
            base_url=live.url, cookies=cookies, follow_redirects=True, timeout=120
        )
        self.origin = {"Origin": live.url, "Sec-Fetch-Site": "same-origin"}

    def get(self, path):
        return self.client.get(path)

    def post(self, path, data=None, **more):
        return self.client.post(path, data=data, headers=self.origin, **more)

    def drop(self, content, name="mood.csv"):
        return self.post("/files", files={"file": (name, content)})


def message(response, status):
    assert response.status_code == status, response.text[-800:]
    assert response.headers["content-type"].startswith("text/html")
    [found] = re.findall(r'role="alert"[^>]*autofocus[^>]*><p>(.*?)</p>', response.text, re.S)
    return found.replace("&#39;", "'").replace("&#34;", '"')


def opened_at_once(server, address, users):
    """Have a service open the pages of users at the same moment; return (user, answer) of each."""
    begin = threading.Barrier(len(users))

    def opened(user):
        with Browser(server, "service").client as client:
            begin.wait()
            return user, client.get(address(user))

    with ThreadPoolExecutor(begin.parties) as threads:
        return list(threads.map(opened, users))
