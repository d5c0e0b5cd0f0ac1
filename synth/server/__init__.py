"""The managed vLLM server.

``command`` (config to argv and environment) and ``hints`` are pure; ``process`` starts, watches and
stops one process group; ``supervisor`` is the small process that owns it and ends it when the
session is gone; ``lease`` decides what is started and what is reused; ``ready`` waits over HTTP;
``watch`` notices a death or a hang; ``launch`` starts, steps down and starts again; ``fleet`` does
so with several side by side.
No other code is responsible for a server's life.
"""
