"""What is fixed before a test begins, and what is known at each look."""

from dataclasses import dataclass

from experiments.stats.inference.confidence_sequence import DEFAULT_TUNING_N
from experiments.stats.inference.moments import Moments
from experiments.stats.inference.multiplicity import CORRECTIONS
from experiments.stats.inference.spending import SPENDING
from experiments.stats.inference.switchback import SwitchbackSlots

DEFAULT, ALWAYS_VALID, MSPRT, GROUP_SEQUENTIAL = "default", "always_valid", "msprt", "group_sequential"
HALF_SEQUENCE, BAYESIAN, FIXED = "half_sequence", "bayesian", "fixed"
METHODS = (DEFAULT, ALWAYS_VALID, MSPRT, GROUP_SEQUENTIAL, HALF_SEQUENCE, BAYESIAN, FIXED)
NEED_HORIZON = (GROUP_SEQUENTIAL, HALF_SEQUENCE, FIXED)
MEAN, RATIO, PAIRED, SWITCHBACK = "mean", "ratio", "paired", "switchback"
METRICS = (MEAN, RATIO, PAIRED, SWITCHBACK)
VISITOR, CLUSTER = "visitor", "cluster"
UNITS = (VISITOR, CLUSTER)


@dataclass(frozen=True, slots=True)
class AnalysisPlan:
    """State how one metric of one arm against control is analysed; registered before the first unit.

    Args:
        method: one of METHODS. ``default`` is ``group_sequential`` where a horizon is planned, else ``always_valid``.
        metric: how a look's moments are read. ``mean``: mean(y). ``ratio``: Σy/Σx. ``paired``: treatment holds y of the
            treated and x of the untreated member of each pair. ``switchback``: from the look's slots.
        unit: ``visitor`` where units go on arriving; ``cluster`` where the randomised units (SKUs, regions, stores) are
            there from the first day and each look knows more of each. Always ``cluster`` for paired and switchback.
        cuped: adjust mean(y) by x, known before the test.
        alpha: chance of a false claim, whole family.
        sides: 2, or 1 for benefit only (harm is then watched at alpha by itself).
        spending, spending_parameter: of ``group_sequential``.
        planned_n: units of both arms at the horizon.
        planned_days: days at the horizon; one of both is enough. Clusters need the days.
        tuning_n: units at which a confidence sequence is tightest; half of planned_n, else 5,000.
        mixture_sd: of ``msprt``, usual size of effects in the unit of the effect; from the first look's standard error
            unless given.
        prior_mean, prior_sd: of the effect, for ``bayesian`` and the probability to beat; None is a flat prior.
        relative: effects as shares of the control's mean.
        higher_is_better: False where a fall is the benefit.
        minimum_effect: smallest effect that matters, > 0, same unit as the effect: for futility.
        futility: conditional power below which a test with a horizon stops; None never does.
        comparisons: metrics × arms that alpha is shared among (Bonferroni), so that intervals hold together.
        correction: of the p-values over the family: see ``analyse_family``.
        expected_shares: of the arms in the look's ``exposures``, control first.
        winsor_cap: the value at which outcomes were cut off when they were added up, for the record; fixed in advance.
        least_units: units in both arms below which nothing is decided.
        switchback_lag: periods over which neighbours are alike, where arms are not drawn anew for each period.
        loss_threshold: ``bayesian`` decides where the expected loss is below this, in the effect's unit; None by the
            probability to beat alone.
    """

    method: str = DEFAULT
    metric: str = MEAN
    unit: str = VISITOR
    cuped: bool = False
    alpha: float = 0.05
    sides: int = 2
    spending: str = "obrien_fleming"
    spending_parameter: float | None = None
    planned_n: float | None = None
    planned_days: int | None = None
    tuning_n: float | None = None
    mixture_sd: float | None = None
    prior_mean: float = 0.0
    prior_sd: float | None = None
    relative: bool = False
    higher_is_better: bool = True
    minimum_effect: float | None = None
    futility: float | None = 0.1
    comparisons: int = 1
    correction: str = "holm"
    expected_shares: tuple[float, ...] = (0.5, 0.5)
    winsor_cap: float | None = None
    least_units: int = 100
    loss_threshold: float | None = None
    switchback_lag: int = 0

    def __post_init__(self) -> None:
        for name, allowed in (
            ("method", METHODS),
            ("metric", METRICS),
            ("unit", UNITS),
            ("spending", SPENDING),
            ("correction", CORRECTIONS),
            ("sides", (1, 2)),
        ):
            if getattr(self, name) not in allowed:
                choices = ", ".join(str(choice) for choice in allowed)
                raise ValueError(f"{name}: got {getattr(self, name)!r}; give one of {choices}")
        if not 0 < self.alpha < 1:
            raise ValueError(f"alpha: got {self.alpha}; give an error rate between 0 and 1")
        for name in ("planned_n", "planned_days", "tuning_n", "mixture_sd", "prior_sd", "minimum_effect", "winsor_cap"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ValueError(f"{name}: got {value}; give a number above 0, or none")
        if self.switchback_lag < 0:
            raise ValueError(f"switchback_lag: got {self.switchback_lag}; give a number of periods, 0 or more")
        if self.comparisons < 1:
            raise ValueError(f"comparisons: got {self.comparisons}; give the metrics times the arms, 1 or more")
        if self.method in NEED_HORIZON and not self.has_horizon:
            raise ValueError(f"planned_days: got none; give the days (or planned_n) that {self.method} runs for")
        if self.cuped and self.metric != MEAN:
            raise ValueError(f"cuped: got metric {self.metric}; CUPED adjusts means: give metric='mean'")

    @property
    def is_clustered(self) -> bool:
        """Whether the units are there from the beginning, so that information is not their number."""
        return self.unit == CLUSTER or self.metric in (PAIRED, SWITCHBACK)

    @property
    def has_horizon(self) -> bool:
        """Whether the end was fixed in advance."""
        return self.planned_days is not None or (self.planned_n is not None and not self.is_clustered)

    @property
    def chosen_method(self) -> str:
        """The method that ``default`` stands for, or the one that was asked for."""
        if self.method != DEFAULT:
            return self.method
        return GROUP_SEQUENTIAL if self.has_horizon else ALWAYS_VALID

    @property
    def level(self) -> float:
        """Alpha of this comparison alone."""
        return self.alpha / self.comparisons

    @property
    def sequence_n(self) -> float:
        """Units at which a confidence sequence is tightest."""
        if self.tuning_n is not None:
            return self.tuning_n
        return self.planned_n / 2 if self.planned_n is not None else DEFAULT_TUNING_N


@dataclass(frozen=True, slots=True)
class Look:
    """Hold what is known by the end of a day, from the first day on.

    Args:
        day: whole days since the start, >= 1, rising from look to look.
        control, treatment: moments of each arm; None for switchback.
        exposures: units assigned to each arm, control first, for SRM; of all arms. The moments' n unless given.
        slots: of a switchback.
    """

    day: int
    control: Moments | None = None
    treatment: Moments | None = None
    exposures: tuple[int, ...] | None = None
    slots: SwitchbackSlots | None = None

    def __post_init__(self) -> None:
        if self.day < 1:
            raise ValueError(f"day: got {self.day}; give the days since the start, 1 for the first")
        if (self.control is None) != (self.treatment is None):
            raise ValueError("treatment: got moments of one arm; give those of control and treatment")
        if self.control is None and self.slots is None:
            raise ValueError(
                "control: got neither moments nor slots; give the sums of both arms, or a switchback's slots"
            )
