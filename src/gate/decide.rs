//! What to do with a request to a room: a table from facts to a decision, with nothing else in it.

use crate::line::settings::Mode;

/// What kind of request it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A person opens a page.
    Navigation,
    /// A person sends a form.
    Form,
    /// A browser looks ahead, or asks only for headers: never joins or enters.
    Speculative,
    /// A CORS preflight.
    Preflight,
    /// A script, an asset, an app.
    Other,
}

/// What the pass says, if the request carries one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PassFact {
    /// There is none, or it is not authentic, or of another epoch.
    None,
    /// It holds.
    Live,
    /// It ran out by its signature.
    RanOut {
        /// Not long ago: a form in progress still goes through.
        within_grace: bool,
    },
    /// Its work is done.
    Finished,
}

/// What the ticket says, if the request carries one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TicketFact {
    /// There is none, or it is not authentic.
    None,
    /// It is a place in this line.
    Valid {
        /// The visitor is known to have been let in.
        inside: bool,
    },
    /// It is a stub: a place in the order of arrival, which the line has not numbered yet.
    Stub {
        /// Nobody is going to tell the line of it any more: its holder joins by it.
        lost: bool,
    },
    /// It is authentic and of another epoch.
    Old,
    /// Its key is not known here (yet): it may be good.
    UnknownKey,
}

/// What is known about a request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Facts {
    pub(crate) kind: Kind,
    pub(crate) mode: Mode,
    /// The store answers, and the line is not healing.
    pub(crate) store_up: bool,
    /// The store is away, and this replica lets people in by itself.
    pub(crate) paced: bool,
    /// The store is away, and the operator chose to let everybody through meanwhile.
    pub(crate) doors_open: bool,
    /// The method may carry a body (it is not safe, RFC 9110 §9.2.1).
    pub(crate) is_unsafe: bool,
    pub(crate) pass: PassFact,
    pub(crate) ticket: TicketFact,
}

/// What to do with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decision {
    /// Forward it: the pass holds.
    Admit,
    /// Forward it although the pass ran out: it is work in progress.
    Grace,
    /// Forward it and give a pass: the room lets everybody through.
    Through,
    /// Forward it without anything: a preflight.
    Preflight,
    /// Ask the line whether the pass, run out by its signature, is still inside; then decide again without it.
    Check,
    /// Fetch the pass of a visitor who was let in.
    Collect,
    /// Give it a number.
    Join,
    /// Show where it stands.
    Show,
    /// Say calmly that numbers come in a moment, and give a place in the order of arrival until then.
    Pending,
    /// Say that its line has ended, or that its ticket cannot be read here.
    Unusable,
    /// Answer 503 and say how to join.
    Refuse,
    /// Say that too many come from where it does, and when to try again. The table never says so: only whoever would
    /// get a place is counted.
    Crowded,
}

/// The table.
pub(crate) fn decide(facts: Facts) -> Decision {
    if facts.pass == PassFact::Live {
        return Decision::Admit;
    }
    if matches!(facts.mode, Mode::Bypass | Mode::Observe) {
        return Decision::Through;
    }
    if let PassFact::RanOut { within_grace } = facts.pass {
        if within_grace && facts.is_unsafe {
            return Decision::Grace;
        }
        if facts.store_up {
            return Decision::Check;
        }
    }
    without_pass(facts)
}

/// The table for requests whose pass does not let them through.
pub(crate) fn without_pass(facts: Facts) -> Decision {
    if facts.doors_open {
        return Decision::Through;
    }
    match facts.kind {
        Kind::Preflight => Decision::Preflight,
        Kind::Navigation => navigation(facts),
        Kind::Form | Kind::Speculative | Kind::Other => Decision::Refuse,
    }
}

fn navigation(facts: Facts) -> Decision {
    match facts.ticket {
        TicketFact::Valid { inside: true }
            if (facts.store_up || facts.paced) && facts.mode == Mode::Open =>
        {
            Decision::Collect
        }
        TicketFact::Valid { .. } => Decision::Show,
        TicketFact::Old | TicketFact::UnknownKey => Decision::Unusable,
        TicketFact::None | TicketFact::Stub { .. } if !facts.mode.issues() => Decision::Show,
        TicketFact::None | TicketFact::Stub { lost: true } if facts.store_up => Decision::Join,
        TicketFact::None | TicketFact::Stub { .. } => Decision::Pending,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEW: Facts = Facts {
        kind: Kind::Navigation,
        mode: Mode::Open,
        store_up: true,
        paced: false,
        doors_open: false,
        is_unsafe: false,
        pass: PassFact::None,
        ticket: TicketFact::None,
    };

    const KINDS: [Kind; 5] = [
        Kind::Navigation,
        Kind::Form,
        Kind::Speculative,
        Kind::Preflight,
        Kind::Other,
    ];

    #[test]
    fn nobody_without_a_pass_reaches_the_origin_in_a_room_that_lets_in() {
        for kind in KINDS {
            for mode in [Mode::Open, Mode::Paused, Mode::Closed, Mode::SoldOut] {
                for store_up in [true, false] {
                    for ticket in [
                        TicketFact::None,
                        TicketFact::Old,
                        TicketFact::UnknownKey,
                        TicketFact::Stub { lost: false },
                        TicketFact::Stub { lost: true },
                        TicketFact::Valid { inside: false },
                    ] {
                        for pass in [PassFact::None, PassFact::Finished] {
                            let decision = decide(Facts {
                                kind,
                                mode,
                                store_up,
                                ticket,
                                pass,
                                ..NEW
                            });
                            let kept = matches!(
                                decision,
                                Decision::Join
                                    | Decision::Show
                                    | Decision::Pending
                                    | Decision::Unusable
                                    | Decision::Refuse
                            );
                            assert!(
                                kept || (kind == Kind::Preflight
                                    && decision == Decision::Preflight),
                                "{decision:?}"
                            );
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn a_live_pass_goes_through_whatever_else_is_true() {
        for kind in KINDS {
            for mode in Mode::ALL {
                for store_up in [true, false] {
                    let facts = Facts {
                        kind,
                        mode,
                        store_up,
                        pass: PassFact::Live,
                        ..NEW
                    };
                    assert_eq!(decide(facts), Decision::Admit);
                }
            }
        }
    }

    #[test]
    fn only_a_navigation_joins_and_only_while_numbers_are_issued() {
        assert_eq!(decide(NEW), Decision::Join);
        assert_eq!(
            decide(Facts {
                mode: Mode::Paused,
                ..NEW
            }),
            Decision::Join
        );
        assert_eq!(
            decide(Facts {
                mode: Mode::Closed,
                ..NEW
            }),
            Decision::Show
        );
        assert_eq!(
            decide(Facts {
                store_up: false,
                ..NEW
            }),
            Decision::Pending
        );
        for kind in [Kind::Form, Kind::Speculative, Kind::Other] {
            assert_eq!(decide(Facts { kind, ..NEW }), Decision::Refuse);
        }
    }

    #[test]
    fn a_form_in_progress_goes_through_within_the_grace() {
        let pass = PassFact::RanOut { within_grace: true };
        let form = Facts {
            kind: Kind::Form,
            is_unsafe: true,
            pass,
            ..NEW
        };
        assert_eq!(decide(form), Decision::Grace);
        assert_eq!(
            decide(Facts {
                store_up: false,
                ..form
            }),
            Decision::Grace
        );
        assert_eq!(
            decide(Facts {
                kind: Kind::Navigation,
                is_unsafe: false,
                ..form
            }),
            Decision::Check
        );
        let over = Facts {
            pass: PassFact::RanOut {
                within_grace: false,
            },
            ..form
        };
        assert_eq!(decide(over), Decision::Check);
        assert_eq!(without_pass(over), Decision::Refuse);
    }

    #[test]
    fn a_failing_store_opens_the_doors_only_where_the_operator_chose_so() {
        let away = Facts {
            store_up: false,
            ..NEW
        };
        let chosen = Facts {
            doors_open: true,
            ..away
        };
        assert_eq!(decide(chosen), Decision::Through);
        assert_eq!(decide(away), Decision::Pending);
    }

    #[test]
    fn a_ticket_that_cannot_be_read_here_is_never_replaced_by_a_new_one() {
        for ticket in [TicketFact::Old, TicketFact::UnknownKey] {
            assert_eq!(decide(Facts { ticket, ..NEW }), Decision::Unusable);
        }
    }

    #[test]
    fn whoever_holds_a_stub_is_met_as_one_who_waits_and_joins_only_when_it_is_lost() {
        for store_up in [true, false] {
            let held = Facts {
                store_up,
                ticket: TicketFact::Stub { lost: false },
                ..NEW
            };
            assert_eq!(decide(held), Decision::Pending);
            for kind in [Kind::Form, Kind::Speculative, Kind::Other] {
                for lost in [true, false] {
                    let ticket = TicketFact::Stub { lost };
                    let facts = Facts {
                        kind,
                        ticket,
                        ..held
                    };
                    assert_eq!(decide(facts), Decision::Refuse);
                }
            }
        }
        let lost = Facts {
            ticket: TicketFact::Stub { lost: true },
            ..NEW
        };
        assert_eq!(decide(lost), Decision::Join);
        let (away, closed) = (false, Mode::Closed);
        assert_eq!(
            decide(Facts {
                store_up: away,
                ..lost
            }),
            Decision::Pending
        );
        assert_eq!(
            decide(Facts {
                mode: closed,
                ..lost
            }),
            Decision::Show
        );
    }
}
