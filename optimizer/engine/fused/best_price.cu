// The best admissible price of one SKU a thread, from facts and limits to the price, in one pass over memory.
//
// The same decisions, in the same order and precision, as `optimizer.engine.optimum` and `catalog.guardrails.band` make
// with arrays; see docs/math.md for why they are right. `source.py` puts names and constants in front of this text. Plain
// C++ as well, so that its numbers can be checked where there is no GPU.

#ifdef __CUDACC_RTC__
#define ON_DEVICE __device__ __forceinline__
#else
#include <cmath>
#define ON_DEVICE static inline
using std::erfc;
using std::exp;
using std::fabs;
using std::floor;
using std::hypot;
using std::isfinite;
using std::log;
using std::rint;
using std::sqrt;
#endif

typedef long long Ticks;
typedef unsigned long long Address;

#define IS_KNOWN(value) ((value) != MISSING)
#define INFINITE (1.0 / 0.0)

// ---- arithmetic of whole ticks: division rounds down, as in Python ----------------------------------------------

ON_DEVICE Ticks floor_division(Ticks a, Ticks b) {
    Ticks quotient = a / b;
    return (a % b != 0 && (a < 0) != (b < 0)) ? quotient - 1 : quotient;
}
ON_DEVICE Ticks ceiling_division(Ticks a, Ticks b) { return -floor_division(-a, b); }
ON_DEVICE Ticks least(Ticks a, Ticks b) { return a < b ? a : b; }
ON_DEVICE Ticks most(Ticks a, Ticks b) { return a > b ? a : b; }
ON_DEVICE double lower_of(double a, double b) { return a < b ? a : b; }
ON_DEVICE double higher_of(double a, double b) { return a > b ? a : b; }

// ---- guardrails ---------------------------------------------------------------------------------------------------

struct Sku {
    Ticks whole[WHOLE_COUNT];
    double real[REAL_COUNT];
};

struct Band {
    Ticks lower, upper;
    int lower_rule, upper_rule;
};

ON_DEVICE void intersect(Band &band, int rule, Ticks low, Ticks high) {
    if (low > band.lower || (low == band.lower && low > 0 && band.lower < band.upper)) {
        band.lower_rule = low <= band.upper ? rule : band.upper_rule;
        band.lower = least(low, band.upper);
    }
    if (high < band.upper || (high == band.upper && high < UNBOUNDED && band.lower < band.upper)) {
        band.upper_rule = high >= band.lower ? rule : band.lower_rule;
        band.upper = most(high, band.lower);
    }
}

ON_DEVICE void from_below(Band &band, int rule, Ticks low, bool applies) {
    intersect(band, rule, applies ? low : 0, UNBOUNDED);
}

ON_DEVICE void around(Band &band, int rule, Ticks anchor, Ticks rate) {
    bool applies = IS_KNOWN(rate) && anchor > 0;
    Ticks low = applies ? ceiling_division(anchor * (BASIS - rate), BASIS) : 0;
    intersect(band, rule, low, applies ? floor_division(anchor * (BASIS + rate), BASIS) : UNBOUNDED);
}

ON_DEVICE Band admissible_band(const Sku &sku) {
    const Ticks *fact = sku.whole;
    Band band = {0, UNBOUNDED, RULE_OWN_OPTIMUM, RULE_OWN_OPTIMUM};
    Ticks cost = fact[cost_units] > 0 ? fact[cost_units] : 0, current = fact[current_ticks];
    intersect(band, RULE_LOSS_FLOOR, ceiling_division(cost, COST_UNITS_PER_TICK), UNBOUNDED);
    bool has_margin = fact[min_margin_bp] > 0;
    Ticks left = BASIS - (has_margin ? fact[min_margin_bp] : 0);
    from_below(band, RULE_MIN_MARGIN, ceiling_division(cost * (BASIS / COST_UNITS_PER_TICK), left), has_margin);
    from_below(band, RULE_MAP, fact[map_price], IS_KNOWN(fact[map_price]));
    from_below(band, RULE_FLOOR, fact[floor_ticks], IS_KNOWN(fact[floor_ticks]));
    intersect(band, RULE_CEILING, 0, IS_KNOWN(fact[ceiling]) ? fact[ceiling] : UNBOUNDED);

    bool counts_changes = IS_KNOWN(fact[max_changes_per_day]) && IS_KNOWN(fact[changes_today]) && current > 0;
    bool used_up = counts_changes && fact[changes_today] >= fact[max_changes_per_day];
    intersect(band, RULE_CHANGES_PER_DAY, used_up ? current : 0, used_up ? current : UNBOUNDED);
    around(band, RULE_MAX_CHANGE, current, fact[max_change_bp]);
    around(band, RULE_MAX_CHANGE_PER_DAY, fact[day_start_ticks], fact[max_change_per_day_bp]);

    bool is_scarce = IS_KNOWN(fact[inventory]) && IS_KNOWN(fact[inventory_threshold]) &&
                     fact[inventory] < fact[inventory_threshold];
    from_below(band, RULE_LOW_STOCK, current, is_scarce && current > 0);
    Ticks rival = fact[competitor_ticks];
    bool near = IS_KNOWN(fact[competitor_min_bp]) && rival > 0, far = IS_KNOWN(fact[competitor_max_bp]) && rival > 0;
    intersect(band, RULE_COMPETITOR, near ? ceiling_division(rival * (BASIS + fact[competitor_min_bp]), BASIS) : 0,
              far ? floor_division(rival * (BASIS + fact[competitor_max_bp]), BASIS) : UNBOUNDED);
    return band;
}

// ---- price endings ------------------------------------------------------------------------------------------------

struct Grid {
    Ticks first, last;
    const Ticks *up, *down;
    Ticks modulus;
};

ON_DEVICE Grid admissible_grid(const Band &band, Ticks set, const Ticks *up, const Ticks *down, Ticks modulus) {
    Ticks row = set * modulus;
    if (band.lower + up[row + band.lower % modulus] > band.upper) row = 0;  // no ending fits: any may be used
    return {band.lower + up[row + band.lower % modulus], band.upper - down[row + band.upper % modulus], up + row,
            down + row, modulus};
}
ON_DEVICE Ticks at_or_below(const Grid &grid, Ticks ticks) {
    ticks = least(ticks, grid.last);
    return most(ticks - grid.down[ticks % grid.modulus], grid.first);
}
ON_DEVICE Ticks at_or_above(const Grid &grid, Ticks ticks) {
    ticks = most(ticks, grid.first);
    return least(ticks + grid.up[ticks % grid.modulus], grid.last);
}

// ---- demand -------------------------------------------------------------------------------------------------------

struct Demand {
    double reference, demand, mean, sd, log_sd, stock;
};

ON_DEVICE double log_ratio(const Demand &q, double price) { return log(price / q.reference); }
ON_DEVICE double log_growth(const Demand &q, double x) {
    return lower_of(x * (q.mean + q.sd * q.sd * x / 2), MAX_EXPONENT);
}
ON_DEVICE double log_spread(const Demand &q, double x) { return hypot(q.sd * x, q.log_sd); }
ON_DEVICE double normal_cdf(double z) { return erfc(z * -0.70710678118654752440) / 2; }

ON_DEVICE double expected_sales(const Demand &q, double x) {
    double growth = log_growth(q, x), spread = log_spread(q, x), mean = q.demand * exp(growth);
    double z = (log(q.stock) - log(q.demand) - growth) / spread, certain = lower_of(mean, q.stock);
    if (!isfinite(z)) return certain;
    return lower_of(mean * normal_cdf(z - spread / 2) + q.stock * normal_cdf(-z - spread / 2), certain);
}

ON_DEVICE bool stock_matters_at(const Demand &q, Ticks ticks) {
    double x = log_ratio(q, (double)ticks), spread = log_spread(q, x);
    return log(q.demand) + log_growth(q, x) + spread * (spread / 2 + NEGLIGIBLE_Z) > log(q.stock);
}

// ---- the objective ------------------------------------------------------------------------------------------------

ON_DEVICE double value_of(int objective, double price, double cost, double units) {
    if (objective == OBJECTIVE_PROFIT) return (price - cost) * units;
    return objective == OBJECTIVE_REVENUE ? price * units : units;
}

// Where expected profit stops rising, as a log price ratio: Newton's method from the left; infinite where it does not.
ON_DEVICE double profit_maximum(const Demand &q, double cost, double lower, double upper) {
    double variance = q.sd * q.sd;
    double first = log_ratio(q, higher_of(lower, floor(cost) + 1));
    double turn = 2 * variance / (2 * variance + 1 + sqrt(4 * variance + 1));
    double last = lower_of(log_ratio(q, upper), log_ratio(q, cost / turn));
    double elasticity = q.mean + variance * first;
    if (!(elasticity < -1)) return INFINITE;
    double x = higher_of(first, log_ratio(q, cost * elasticity / (1 + elasticity)));
    if (!(x <= last)) return INFINITE;
    double cost_share = cost / q.reference, tolerance = 512 * 2.220446049250313e-16;
    bool exists = true;
    for (int iteration = 0; iteration < MAX_ITERATIONS; iteration++) {
        double share = cost_share * exp(-x), markup = 1 / (1 - share);
        double slope = variance - share * markup * markup;
        double step = exists && slope < 0 ? -(markup + q.mean + variance * x) / slope : 0.0;
        double previous = x;
        x = lower_of(higher_of(x + step, first), last);
        if (fabs(x - previous) <= tolerance * (1 + fabs(previous))) break;
        exists = exists && (x < last || step < 0);
    }
    exists = exists && x < last && (x > first || lower <= cost);
    return exists ? x : INFINITE;
}

// Of equal scores the higher profit, then the smaller move, then the lower price.
struct Best {
    double highest, profit, move;
    Ticks price;
};

ON_DEVICE void consider(Best &best, int objective, Ticks ticks, double cost, double units, Ticks current) {
    double price = (double)ticks, score = value_of(objective, price, cost, units);
    if (!(score >= best.highest * (1 - TIE))) return;
    double profit = (price - cost) * units, move = fabs(price - (double)current);
    bool better = profit > best.profit ||
                  (profit == best.profit && (move < best.move || (move == best.move && ticks < best.price)));
    if (better) {
        best.profit = profit;
        best.move = move;
        best.price = ticks;
    }
}

ON_DEVICE Ticks best_of(const Ticks *candidates, int count, int objective, const Demand &q, double cost, Ticks current) {
    double units[4];
    Best best = {-INFINITE, -INFINITE, INFINITE, UNBOUNDED};
    for (int k = 0; k < count; k++) {
        units[k] = q.demand * exp(log_growth(q, log_ratio(q, (double)candidates[k])));
        best.highest = higher_of(best.highest, value_of(objective, (double)candidates[k], cost, units[k]));
    }
    for (int k = 0; k < count; k++) consider(best, objective, candidates[k], cost, units[k], current);
    return best.price;
}

ON_DEVICE Ticks best_of_all(const Grid &grid, int objective, const Demand &q, double cost, Ticks current) {
    Best best = {-INFINITE, -INFINITE, INFINITE, UNBOUNDED};
    for (int pass = 0; pass < 2; pass++)
        for (Ticks ticks = grid.first;; ticks = at_or_above(grid, ticks + 1)) {
            double units = expected_sales(q, log_ratio(q, (double)ticks));
            if (pass)
                consider(best, objective, ticks, cost, units, current);
            else
                best.highest = higher_of(best.highest, value_of(objective, (double)ticks, cost, units));
            if (ticks >= grid.last) break;
        }
    return best.price;
}

ON_DEVICE Ticks nearest_to(const Grid &grid, Ticks current) {
    Ticks below = at_or_below(grid, current), above = at_or_above(grid, current);
    return most(above - current, current - above) < most(current - below, below - current) ? above : below;
}

// ---- one SKU ------------------------------------------------------------------------------------------------------

struct Decision {
    Ticks price, candidate;
    int rule, unpriced;
    bool is_left;  // a wide band near the stock: whoever asked searches it by branch and bound
};

ON_DEVICE int unpriced_reason(const Sku &sku, const Band &band) {
    if (!(sku.whole[cost_units] > 0)) return MISSING_COST;
    if (sku.whole[current_ticks] <= 0) return MISSING_PRICE;
    if (sku.real[demand_units] == 0) return NO_DEMAND;
    return band.upper == UNBOUNDED ? NO_UPPER_LIMIT : 0;
}

ON_DEVICE Decision decide(const Sku &sku, const Band &band, const Grid &grid, int objective) {
    Ticks current = sku.whole[current_ticks];
    double cost = (double)sku.whole[cost_units] / COST_UNITS_PER_TICK;
    Ticks stock = sku.whole[inventory];
    Demand q = {(double)current,           sku.real[demand_units],  sku.real[elasticity_mean],
                sku.real[elasticity_sd],   sku.real[log_demand_sd], IS_KNOWN(stock) ? (double)most(stock, 0) : INFINITE};
    Ticks candidates[4] = {grid.first, grid.last, 0, 0};
    bool is_beside = false, is_profit = objective == OBJECTIVE_PROFIT;
    double point = 0;
    if (is_profit) {
        point = q.reference * exp(profit_maximum(q, cost, (double)band.lower, (double)band.upper));
        bool inside = point >= (double)band.lower && point <= (double)band.upper;
        Ticks ticks = inside ? (Ticks)floor(point) : point > (double)band.upper ? band.upper : band.lower;
        candidates[2] = at_or_below(grid, ticks);
        candidates[3] = at_or_above(grid, ticks + 1);
        is_beside = inside;
    }
    Ticks price = best_of(candidates, is_profit ? 4 : 2, objective, q, cost, current);
    int rule = RULE_OWN_OPTIMUM;
    if (price == grid.last) rule = band.upper_rule;
    if (price == grid.first) rule = band.lower_rule;
    if (grid.first == grid.last && band.lower < band.upper) rule = RULE_PRICE_ENDING;
    if (is_beside && (price == candidates[2] || price == candidates[3])) rule = RULE_OWN_OPTIMUM;

    bool is_left = false;
    if (q.stock == 0) {
        price = nearest_to(grid, current);
        rule = RULE_STOCK_LIMIT;
    } else if (stock_matters_at(q, grid.first) || stock_matters_at(q, grid.last)) {
        is_left = grid.last - grid.first >= WIDE_BAND;
        Ticks limited = is_left ? price : best_of_all(grid, objective, q, cost, current);
        if (limited != price) rule = RULE_STOCK_LIMIT;
        price = limited;
    }
    Ticks candidate = MISSING;
    if (is_profit) {
        double free = q.reference * exp(profit_maximum(q, cost, 0.0, (double)UNBOUNDED));
        Ticks rounded = free < (double)UNBOUNDED ? (Ticks)rint(free) : 0;
        candidate = rule == RULE_OWN_OPTIMUM ? price : rounded > 0 ? rounded : MISSING;
    }
    return {price, candidate, rule, 0, is_left};
}

// Tables of the addresses of columns: a kernel has few arguments, and nothing is copied together.
struct Columns {
    const Address *whole, *real;
    const Ticks *ending_set, *up, *down;
    Ticks modulus;
    const Address *ticks_out, *codes_out;
};

ON_DEVICE void price_row(const Columns &columns, int objective, Ticks row) {
    Sku sku;
    for (int k = 0; k < WHOLE_COUNT; k++) sku.whole[k] = ((const Ticks *)columns.whole[k])[row];
    for (int k = 0; k < REAL_COUNT; k++) sku.real[k] = ((const double *)columns.real[k])[row];
    Band band = admissible_band(sku);
    int unpriced = unpriced_reason(sku, band);
    Decision decision = {MISSING, MISSING, RULE_UNPRICED, unpriced, false};
    if (unpriced == 0) {
        Grid grid = admissible_grid(band, columns.ending_set[row], columns.up, columns.down, columns.modulus);
        decision = decide(sku, band, grid, objective);
    }
    Ticks ticks[] = {decision.price, decision.candidate, unpriced ? MISSING : band.lower, unpriced ? MISSING : band.upper};
    signed char codes[] = {(signed char)decision.rule,
                           (signed char)(unpriced ? RULE_UNPRICED : band.lower_rule),
                           (signed char)(unpriced ? RULE_UNPRICED : band.upper_rule),
                           (signed char)unpriced,
                           (signed char)decision.is_left};
    for (int k = 0; k < 4; k++) ((Ticks *)columns.ticks_out[k])[row] = ticks[k];
    for (int k = 0; k < 5; k++) ((signed char *)columns.codes_out[k])[row] = codes[k];
}

#define ARGUMENTS                                                                                                       \
    const Address *whole, const Address *real, const Ticks *ending_set, const Ticks *up, const Ticks *down,             \
        Ticks modulus, const Address *ticks_out, const Address *codes_out, int objective, Ticks rows
#define COLUMNS {whole, real, ending_set, up, down, modulus, ticks_out, codes_out}

#ifdef __CUDACC_RTC__
extern "C" __global__ void best_prices(ARGUMENTS) {
    Ticks row = (Ticks)blockIdx.x * blockDim.x + threadIdx.x;
    if (row < rows) {
        Columns columns = COLUMNS;
        price_row(columns, objective, row);
    }
}
#else
extern "C" void best_prices(ARGUMENTS) {
    Columns columns = COLUMNS;
    for (Ticks row = 0; row < rows; row++) price_row(columns, objective, row);
}
#endif
