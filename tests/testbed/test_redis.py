"""The server keeps its data, its address and its password."""

from __future__ import annotations

import pytest
import redis

from testbed.redis import RedisServer


def test_a_server_goes_away_and_comes_back_with_its_data(redis_server: RedisServer) -> None:
    url = redis_server.url
    with redis.Redis.from_url(url) as client:
        client.set("kept", 7)
        redis_server.stop()
        with pytest.raises(redis.ConnectionError):
            client.get("kept")
        redis_server.start()
        assert client.get("kept") == b"7"
        client.delete("kept")
    assert redis_server.url == url


def test_a_server_wants_the_right_password(redis_server: RedisServer) -> None:
    wrong = redis_server.url.replace("@", "wrong@")
    with redis.Redis.from_url(wrong) as client, pytest.raises(redis.AuthenticationError):
        client.get("kept")
