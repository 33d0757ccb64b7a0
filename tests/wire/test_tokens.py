"""A client and an operator who send an identity provider's token in place of a key."""

from __future__ import annotations

import json
import time
from pathlib import Path

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey

KEY = RSAKey.generate_key(2048, {"kid": "one"})
ASK = {"model": "m", "messages": [{"role": "user", "content": "Six times seven?"}]}


def token(name: str, **claims: object) -> str:
    """Sign one that is in order, but for the claims that are given."""
    said = {"iss": "https://id.example", "aud": "lethe", "sub": name, "exp": int(time.time()) + 600, **claims}
    return jwt.encode({"alg": "RS256", "kid": "one"}, said, KEY)


@pytest.fixture
def provider(tmp_path: Path) -> dict[str, str]:
    """Settings that trust the key's provider."""
    path = tmp_path / "keys.json"
    path.write_text(json.dumps(KeySet([KEY]).as_dict(private=False)))
    return {"oidc_issuer": "https://id.example", "oidc_audience": "lethe", "oidc_keys": str(path)}


async def test_a_token_has_the_limits_of_the_key_of_its_name(start, provider):
    """Without such a key it opens nothing, and revoking the key closes it again."""
    async with start(["42"], **provider) as started, httpx.AsyncClient(base_url=started.url) as client:

        async def asked(given: str) -> int:
            headers = {"authorization": f"Bearer {given}"} if given else {}
            return (await client.post("/v1/chat/completions", json=ASK, headers=headers)).status_code

        assert (401, 401) == (await asked(token("alice")), await asked(""))
        await started.gateway.store.add_key("alice", "0" * 64)
        assert (200, 401) == (await asked(token("alice")), await asked(token("bob")))
        assert 401 == await asked(token("alice", aud="another"))
        await started.gateway.store.revoke_key("alice")
        assert 401 == await asked(token("alice"))


async def test_a_token_has_the_role_of_the_admin_key_of_its_name(start, provider):
    """A viewer may look and not change; a client's name opens nothing here."""
    async with start(["42"], **provider) as started, httpx.AsyncClient(base_url=started.url) as client:
        await started.gateway.store.add_admin_key("ida", "1" * 64, "viewer")
        await started.gateway.store.add_key("alice", "0" * 64)
        found = {}
        for name, method, path in (
            ("ida", "GET", "/admin/topics"),
            ("ida", "POST", "/admin/topics/maren/deactivate"),
            ("alice", "GET", "/admin/topics"),
        ):
            headers = {"authorization": f"Bearer {token(name)}"}
            found[name, method] = (await client.request(method, path, headers=headers)).status_code
    assert {("ida", "GET"): 200, ("ida", "POST"): 403, ("alice", "GET"): 401} == found


async def test_without_the_providers_keys_a_token_is_to_come_again_later(start, provider, tmp_path):
    """And a key still opens."""
    (tmp_path / "keys.json").unlink()
    settings = {**provider, "api_key": "secret"}
    async with start(["42"], **settings) as started, httpx.AsyncClient(base_url=started.url) as client:
        statuses = []
        for given in (token("alice"), "secret"):
            headers = {"authorization": f"Bearer {given}"}
            statuses.append((await client.post("/v1/chat/completions", json=ASK, headers=headers)).status_code)
    assert [503, 200] == statuses
