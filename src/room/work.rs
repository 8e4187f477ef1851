//! What one exchange may ask of the store: its lists are cut so that no step holds up everybody else's for long.

/// What the lists of one exchange may cost a Redis server, in microseconds of its time: small beside the 5 ms that no
/// step may take, so that there is room for a machine that is busy with something else.
const WORK_US: usize = 1_000;

/// What an item of each list costs a Redis server, in microseconds, as `cargo bench --bench exchange` shows it on one
/// core of 2026: what is cut off goes with the next exchange, so that it need not be exact.
pub(crate) const KEYED_US: usize = 7;
pub(crate) const CHECK_US: usize = 7;
pub(crate) const ASK_US: usize = 14;
pub(crate) const FINISH_US: usize = 18;
pub(crate) const MORE_US: usize = 10;
pub(crate) const RENEWAL_US: usize = 5;
pub(crate) const HEARD_US: usize = 2;

/// How many of each list go with the next exchange, given how long it is and what one of its items costs: as many of each
/// as an equal share pays for, and then, in this order, as many as the others left room for. So none waits for ever
/// behind another one.
pub(crate) fn share<const N: usize>(lists: [(usize, usize); N]) -> [usize; N] {
    let mut counts = [0; N];
    let mut left_us = WORK_US;
    for most_us in [WORK_US / N, WORK_US] {
        for (count, (length, each_us)) in counts.iter_mut().zip(lists) {
            let more = (most_us.min(left_us) / each_us).min(length - *count);
            *count += more;
            left_us -= more * each_us;
        }
    }
    counts
}

/// All of each list, whatever it costs.
pub(crate) fn all<const N: usize>(lists: [(usize, usize); N]) -> [usize; N] {
    lists.map(|(length, _)| length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_costs_little_goes_at_once() {
        assert_eq!(
            share([(3, ASK_US), (0, FINISH_US), (80, HEARD_US)]),
            [3, 0, 80]
        );
    }

    #[test]
    fn no_list_takes_all_of_an_exchange_while_another_waits() {
        let counts = share([(500, ASK_US), (500, FINISH_US), (1_500, HEARD_US)]);
        let cost_us = counts[0] * ASK_US + counts[1] * FINISH_US + counts[2] * HEARD_US;
        assert!(cost_us <= WORK_US, "{counts:?}");
        let third_us = WORK_US / 3;
        let each_us = [ASK_US, FINISH_US, HEARD_US];
        for (count, each_us) in counts.into_iter().zip(each_us) {
            assert!(count >= third_us / each_us, "{counts:?}");
        }
    }

    #[test]
    fn a_list_alone_has_the_whole_exchange() {
        let [asks, ..] = share([(500, ASK_US), (0, FINISH_US), (0, HEARD_US)]);
        assert_eq!(asks, WORK_US / ASK_US);
    }
}
