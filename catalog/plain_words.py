"""Rules and refusals in plain words, for people: pages, reports and the ledger's reasons say the same."""

RULE_WORDS = {
    "unpriced": "no price",
    "own_optimum": "none: the best price stood",
    "stock_limit": "the stock that is left",
    "loss_floor": "the unit cost",
    "min_margin": "the minimum margin",
    "map": "the minimum advertised price",
    "floor": "the lowest allowed price",
    "ceiling": "the highest allowed price",
    "max_change": "the maximum change",
    "low_stock": "low stock",
    "competitor": "the distance to competitors",
    "price_ending": "the price ending",
    "max_change_per_day": "the maximum change a day",
    "changes_per_day": "the number of changes a day",
    "family": "one price for the whole family",
    "size_ladder": "a larger pack is never dearer per unit",
    "quality_ladder": "the better one costs more",
    "portfolio": "the goals for all prices together",
}

NOT_PRICED_WORDS = {
    "missing_cost": "the unit cost is unknown or zero",
    "missing_candidate": "no best price was found",
    "missing_price": "there is no price to start from",
    "no_demand": "nothing was sold",
    "no_upper_limit": "no rule limits the price upwards: set a ceiling or a maximum change",
    "price_changed_meanwhile": "another price came into force meanwhile",
    "overridden": "a person's price is in force",
    "rolled_back": "the run was rolled back meanwhile",
    "markdown_running": "a markdown plan sets this price",
    "missing_stock": "the stock is unknown",
    "not_a_minor_unit": "the price is not a whole number of minor units",
    "inactive": "the product is not active",
    "not_approved": "this very price was proposed before, and not approved",
    "related_product": "a related product is in the experiment already, and their prices are drawn independently",
    "experiment_running": "another experiment runs on it",
    "in_experiment": "an experiment runs on it: its price stands still until that is stopped",
    "held_out": "it is held out, so that what the engine earns can be measured",
    "no_change": "rounded to the currency's minor unit, an arm's price is the price in force",
    "partner_refused": "the listing that it was paired with is not tried",
    "left_over": "it was left over when like listings were put into pairs",
    "needs_approval": "the price would need a second person",
    "over": "its time is over",
    "waits_for_release": "it waits until somebody releases the rest of the run",
    "waits_for_approval": "it waits for a second person",
    "expired": "nobody decided on it in time",
    "kill_switch": "a kill switch stops automatic prices here",
    "unknown_listing": "the listing is not in this channel",
    "missed": "its time had passed before it could start: was `manage.py run_schedules` down?",
    "not_a_reduction": "a promotion must be below the price that it replaces",
}


def rule_words(rule: str) -> str:
    """Name a guardrail or another binding rule in plain words."""
    return RULE_WORDS.get(rule, rule.replace("_", " "))


def refusal_words(reason: str) -> str:
    """Say why a SKU was not priced or why the gate refused it."""
    if reason in NOT_PRICED_WORDS:
        return NOT_PRICED_WORDS[reason]
    return f"the price would break a rule: {rule_words(reason)}" if reason in RULE_WORDS else reason.replace("_", " ")
