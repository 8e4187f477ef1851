//! A full line as visitors meet it: who is there keeps others out, and who went away does not.

use crate::stage::SOON;
use crate::stage::Stage;
use crate::stage::Toml;
use crate::stage::join;
use crate::stage::navigate;
use crate::stage::state;
use crate::stage::status;
use crate::stage::ticket;
use crate::stage::try_join;
use crate::support::wait_for;

#[test]
fn who_went_away_keeps_nobody_out_and_its_place() {
    let stage = Stage::new(&Toml {
        room: "mode = \"paused\"\nline_max = 3\npresence = \"2s\"",
        ..Toml::default()
    });
    let addr = stage.addr();
    let away = [1, 2, 3].map(|number| {
        let joined = join(addr);
        assert_eq!(joined.number, number);
        joined
    });
    // Whether they are there is not known yet.
    assert_eq!(try_join(addr, &[]).json()["state"], "full");
    assert_eq!(state(&navigate(addr, "/booking/", &[])), "full");
    let came = wait_for("a newcomer finds a place", SOON, || {
        let reply = try_join(addr, &[]);
        let is_in = reply.json()["number"].is_number();
        is_in.then(|| ticket(&reply))
    });
    assert_eq!(came.number, 4);
    for (joined, number) in away.iter().zip(1..) {
        let told = status(addr, &joined.text);
        assert_eq!(
            (&told["state"], &told["number"]),
            (&"paused".into(), &number.into())
        );
    }
}
