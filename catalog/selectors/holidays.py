from datetime import date, timedelta

import holidays


def weeks_with_holidays(*, country: str, first: date, weeks: int) -> list[bool]:
    """Tell of each week, from the Monday ``first`` on, whether it has a public holiday; no unknown country has one."""
    days = [first + timedelta(days=day) for day in range(7 * weeks)]
    try:
        calendar = holidays.country_holidays(country.upper(), years={day.year for day in days})
    except NotImplementedError:
        return [False] * weeks
    return [any(day in calendar for day in days[7 * week : 7 * week + 7]) for week in range(weeks)]
