"""The founding design: FastAPI, a pydantic model, `redis.asyncio`, one GET a request. Needs no package of ours.

python fastapi_prices.py PORT WORKERS, with REDIS_URL
"""

import os
import sys

import redis.asyncio as redis
import uvicorn
from fastapi import FastAPI, HTTPException
from pydantic import BaseModel


class Price(BaseModel):
    sku: str
    channel: str
    price: str
    currency: str
    list_price: str
    version: int
    source: str
    binding_rule: str | None
    decision_id: str | None
    prior_price: str
    prior_price_window: dict[str, str] | None
    reduction_may_be_announced: bool | None
    reduction_percent: int | None
    personalised: bool
    disclosure: str | None
    assumed: list[str]
    experiment: str | None
    arm: str | None
    valid_until: str


class Wanted(BaseModel):
    skus: list[str]


class Prices(BaseModel):
    prices: list[Price]
    unknown_skus: list[str]


cache = redis.from_url(os.environ["REDIS_URL"])
app = FastAPI()


@app.get("/api/v1/prices/{sku}")
async def price(sku: str) -> Price:
    text = await cache.get(f"price:web:{sku}")
    if text is None:
        raise HTTPException(404)
    return Price.model_validate_json(text)


@app.post("/api/v1/prices:batch")
async def batch(wanted: Wanted) -> Prices:
    texts = await cache.mget([f"price:web:{sku}" for sku in wanted.skus])
    found = dict(zip(wanted.skus, texts, strict=True))
    return Prices(
        prices=[Price.model_validate_json(text) for text in texts if text is not None],
        unknown_skus=[sku for sku, text in found.items() if text is None],
    )


if __name__ == "__main__":
    uvicorn.run(
        "fastapi_prices:app",
        port=int(sys.argv[1]),
        workers=int(sys.argv[2]),
        loop="uvloop",
        http="httptools",
        access_log=False,
        log_level="warning",
    )
