from datetime import date, timedelta

import holidays


def days_with_holidays(*, country: str, first: date, days: int) -> list[bool]:
    """Tell of each day from ``first`` on whether it is a public holiday; no unknown country has one."""
    asked = [first + timedelta(days=day) for day in range(days)]
    try:
        calendar = holidays.country_holidays(country.upper(), years={day.year for day in asked})
    except NotImplementedError:
        return [False] * days
    return [day in calendar for day in asked]


def weeks_with_holidays(*, country: str, first: date, weeks: int) -> list[bool]:
    """Tell of each week, from the Monday ``first`` on, whether it has a public holiday."""
    days = days_with_holidays(country=country, first=first, days=7 * weeks)
    return [any(days[7 * week : 7 * week + 7]) for week in range(weeks)]
