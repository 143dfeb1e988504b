//! A server's figures beside those of its disk.

use serde::Serialize;

use super::figures::Figures;

/// What a server reaches of what its disk could do, and what each message costs beyond that.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Compared {
    /// Of the limit's rate.
    pub ratio: f64,
    /// Wall time of a message less its share of a cycle of the limit, in microseconds: 1 / rate - cycle / K, where K writers
    /// wait for each cycle, so that cycle / K is 1 / limit rate.
    pub cost_us: f64,
}

impl Compared {
    /// `None` where one of them has done nothing.
    pub fn of(server: &Figures, limit: &Figures) -> Option<Compared> {
        if server.rate <= 0.0 || limit.rate <= 0.0 {
            return None;
        }
        let cost_us = 1e6 / server.rate - 1e6 / limit.rate;
        Some(Compared { ratio: server.rate / limit.rate, cost_us })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A limit of `writers` whose cycles take so many microseconds.
    fn limit(writers: u32, cycle_us: f64) -> Figures {
        Figures { rate: f64::from(writers) * 1e6 / cycle_us, p50_us: cycle_us, p99_us: cycle_us }
    }

    #[test]
    fn cost_is_what_a_message_takes_beyond_its_share_of_a_cycle() {
        let table = [
            // Rate, writers, cycle: ratio, cost.
            (4_000.0, 1, 200.0, 0.8, 50.0),
            (5_000.0, 1, 200.0, 1.0, 0.0),
            (25_000.0, 64, 192.0, 0.075, 37.0),
            (80_000.0, 64, 320.0, 0.4, 7.5),
            // Several messages of a slow writer in one cycle: faster than the limit of one.
            (10_000.0, 1, 200.0, 2.0, -100.0),
        ];
        for (rate, writers, cycle_us, ratio, cost_us) in table {
            let server = Figures { rate, p50_us: 0.0, p99_us: 0.0 };
            let compared = Compared::of(&server, &limit(writers, cycle_us)).unwrap();
            let near = |found: f64, expected: f64| (found - expected).abs() < 1e-6;
            assert!(near(compared.ratio, ratio) && near(compared.cost_us, cost_us), "{rate}, {writers}: {compared:?}");
        }
    }

    #[test]
    fn nothing_is_compared_with_nothing() {
        let nothing = Figures { rate: 0.0, p50_us: 0.0, p99_us: 0.0 };
        assert_eq!(Compared::of(&nothing, &limit(1, 200.0)), None);
        assert_eq!(Compared::of(&limit(1, 200.0), &nothing), None);
    }
}
