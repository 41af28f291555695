from argparse import ArgumentParser, ArgumentTypeError
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from catalog.models import Channel
from catalog.money import amount_text
from catalog.selectors.channels import UnknownChannel, channel_by_code

if TYPE_CHECKING:
    from optimizer.services.rival_response import LearnedRivals, PricedAgainstRivals

HORIZON = 28
MOST_HORIZON = 3_650


def a_price(text: str) -> Decimal:
    try:
        price = Decimal(text)
    except InvalidOperation:
        price = Decimal(0)
    if not price.is_finite() or not 0 < price < 10**9:
        raise ArgumentTypeError(f"{text!r} is no price: give an amount above 0, such as 9.99")
    return price


class Command(BaseCommand):
    help = "Say how competitors answer our price changes, and with --sku which price earns most when they do."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--channel", default=settings.DEFAULT_CHANNEL, help="channel code")
        parser.add_argument("--sku", help="price this product")
        parser.add_argument(
            "--price",
            type=a_price,
            action="append",
            default=[],
            help="a price to compare; repeatable; else all allowed",
        )
        parser.add_argument("--horizon", type=int, default=HORIZON, help=f"days that count, {HORIZON} if not given")
        parser.add_argument(
            "--rival-elasticity",
            type=float,
            help="of our demand in the competitor's price; if not given what the live model learned, or what is usual",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        # Imported here: `manage.py help` loads every command and need not load torch.
        from optimizer.services.rival_response import (
            NoRivals,
            learned_rivals,
            price_against_rivals,
        )

        _check(options)
        now, console = timezone.now(), Console()
        try:
            channel = channel_by_code(options["channel"])
            rivals = learned_rivals(channel=channel, now=now)
            _print_rivals(console, rivals)
            if not options["sku"]:
                return
            priced = price_against_rivals(
                channel=channel,
                sku=options["sku"],
                rivals=rivals,
                horizon=options["horizon"],
                now=now,
                prices=options["price"],
                rival_elasticity=options["rival_elasticity"],
            )
        except (UnknownChannel, NoRivals) as error:
            raise CommandError(str(error), returncode=2) from error
        _print_prices(console, channel, priced, options["horizon"])


def _check(options: dict[str, Any]) -> None:
    if options["price"] and not options["sku"]:
        raise CommandError("--price: say of which product, with --sku", returncode=2)
    if not 1 <= options["horizon"] <= MOST_HORIZON:
        raise CommandError(f"--horizon: give 1 to {MOST_HORIZON:,} days", returncode=2)
    if options["rival_elasticity"] is not None and not -10 <= options["rival_elasticity"] <= 10:
        raise CommandError("--rival-elasticity: give a number from -10 to 10, usually from 0 to 1", returncode=2)


def _print_rivals(console: Console, rivals: "LearnedRivals") -> None:
    table = Table("competitor", "how it answers, in days")
    for row, name in enumerate(rivals.names):
        table.add_row(escape(name), "\n".join(rivals.response.words(row, direction) for direction in range(2)))
    first, last = rivals.span
    table.caption = f"{len(rivals.days):,} days of products and competitors, {first} to {last}"
    console.print(table)
    if not rivals.changes:
        console.print("No change of ours has a week of offers after it: this is what is assumed without data.")


def _print_prices(console: Console, channel: Channel, priced: "PricedAgainstRivals", horizon: int) -> None:
    def amount(value: Decimal | float) -> str:
        return amount_text(Decimal(value), channel.currency_exponent)

    table = Table("competitor", "its price", "best price", "profit", "its price then", "never answered", "profit then")
    for each in priced.answers:
        table.add_row(
            escape(each.rival),
            amount(each.rival_price),
            amount(each.price),
            amount(each.profit),
            amount(each.expected_rival_price),
            amount(each.price_ignoring),
            amount(each.profit_ignoring),
        )
    low, high = priced.candidates[0], priced.candidates[-1]
    table.title = (
        f"{priced.listing.product.sku}, now {amount(priced.listing.price_in_force)} {channel.currency}: expected over"
        f" {horizon} days, best of {len(priced.candidates)} prices from {amount(low)} to {amount(high)}"
    )
    console.print(table)
    console.print(
        "never answered: the price to choose if the competitor never answered, and what it brings as it does."
        f" Today's price brings {amount(priced.answers[0].profit_today)} if nobody moves."
    )
    console.print(
        f"{priced.model}: {priced.daily_demand:.2f} units a day, elasticity {priced.elasticity:.2f};"
        f" in the competitor's price {priced.rival_elasticity:.2f}, {priced.whose_rival_elasticity};"
        " stock is not looked at",
        highlight=False,
        markup=False,
    )
