"""Users of the JSON API, as an application without an SDK reaches it."""

import json

import requests

PASSWORD = "correct horse battery staple"


class Users:
    """Calls of the JSON API of one relais; each gives the answer as it came."""

    def __init__(self, relais):
        self.url = relais.api_url

    def send(self, method, path, data=None, token=None, kind="application/json"):
        headers = {"Content-Type": kind} | ({} if token is None else {"Authorization": f"Bearer {token}"})
        return requests.request(method, self.url + path, data=data, headers=headers, timeout=60)

    def register(self, email, password=PASSWORD, name=None):
        return self._post("/api/auth/register", {"email": email, "password": password, "name": name})

    def login(self, email, password=PASSWORD):
        return self._post("/api/auth/login", {"email": email, "password": password})

    def me(self, token):
        return self.send("GET", "/api/auth/me", token=token)

    def keep_preferences(self, token, preferences):
        return self.send("PUT", "/api/auth/preferences", json.dumps(preferences), token)

    def _post(self, path, body):
        return self.send("POST", path, json.dumps(body))
