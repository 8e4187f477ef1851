//! The pages of the demonstration's portal: start, times, form, confirmation, and the bare one it breaks with.
//!
//! Plain HTML without script or asset, readable on a phone. Everything a visitor sends is escaped.

/// What the pages say when all appointments are taken.
pub const NOTHING_LEFT: &str = "No appointments left";
/// How every confirmation number begins.
pub const CODE: &str = "VAX-";

/// Appointment times offered each day.
const TIMES: [&str; 8] = [
    "8:20", "9:00", "9:40", "10:20", "11:00", "14:00", "14:40", "15:20",
];

const STYLE: &str = "\
:root{color-scheme:light dark;--ink:#16242e;--soft:#4d5f6b;--paper:#fff;--ground:#eef3f5;--line:#c9d5db;--act:#0a5c78}\
@media(prefers-color-scheme:dark){:root{--ink:#e6eef2;--soft:#a9bac4;--paper:#16222a;--ground:#0e171d;--line:#33454f;\
--act:#7cc7e3}}\
*{box-sizing:border-box}body{margin:0;background:var(--ground);color:var(--ink);font:1.0625rem/1.5 system-ui,sans-serif}\
header{background:var(--paper);border-bottom:4px solid var(--act);padding:1rem}header p{margin:0;color:var(--soft)}\
header p b{color:var(--ink);display:block;font-size:1.125rem}main,header div{max-width:38rem;margin:0 auto}\
main{padding:1.5rem 1rem 3rem}h1{font-size:1.625rem;line-height:1.2;margin:0 0 .75rem}\
.card{background:var(--paper);border:1px solid var(--line);border-radius:.5rem;padding:1.25rem}\
.go{display:inline-block;background:var(--act);color:var(--paper);border:0;border-radius:.375rem;padding:.75rem 1.25rem;\
font:inherit;font-weight:600;text-decoration:none;cursor:pointer;min-height:2.75rem}\
.go:focus-visible,a:focus-visible,input:focus-visible{outline:3px solid var(--act);outline-offset:2px}\
ul.times{list-style:none;padding:0;display:grid;grid-template-columns:repeat(auto-fill,minmax(7rem,1fr));gap:.625rem}\
ul.times a{display:block;border:1px solid var(--line);border-radius:.375rem;padding:.75rem;text-align:center;color:var(--act)}\
label{display:block;font-weight:600;margin:1rem 0 .25rem}input{width:100%;font:inherit;color:inherit;padding:.625rem;\
background:var(--ground);border:1px solid var(--soft);border-radius:.375rem}form .go{margin-top:1.25rem}\
.left{color:var(--soft)}.code{font-size:1.75rem;font-weight:700;letter-spacing:.06em}";

/// The first page of a booking.
pub(crate) fn start(left: u64) -> String {
    let body = if left == 0 {
        format!(
            "<h1>{NOTHING_LEFT}</h1><div class=card><p>All appointments of this round are taken. \
             New ones are announced here and by your doctor.</p></div>"
        )
    } else {
        format!(
            "<h1>Book your vaccination</h1><div class=card><p>You need your insurance number. Booking takes about \
             two minutes.</p><p class=left>{}</p><p><a class=go href=\"/booking/times\">Choose a time</a></p></div>",
            appointments(left)
        )
    };
    page("Book your vaccination", &body)
}

/// The times to choose from.
pub(crate) fn times(left: u64) -> String {
    if left == 0 {
        return start(0);
    }
    let mut body = format!(
        "<h1>Choose a time</h1><div class=card><p>Central clinic, Thursday</p><p class=left>{}</p><ul class=times>",
        appointments(left)
    );
    for (index, time) in TIMES.iter().enumerate() {
        body.push_str(&format!(
            "<li><a href=\"/booking/form?time={index}\">{time}</a>"
        ));
    }
    body.push_str("</ul></div>");
    page("Choose a time", &body)
}

/// The form for one time; an unknown time shows the first.
pub(crate) fn form(query: &str) -> String {
    let time = chosen(query);
    let body = format!(
        "<h1>Your details</h1><div class=card><p>Central clinic, Thursday, {at}</p>\
         <form method=post action=\"/booking/form?time={time}\">\
         <label for=name>Name</label><input id=name name=name autocomplete=name maxlength=80 required>\
         <label for=insurance>Insurance number</label>\
         <input id=insurance name=insurance inputmode=numeric maxlength=20 required>\
         <button class=go>Book this appointment</button></form></div>",
        at = TIMES[time]
    );
    page("Your details", &body)
}

/// The confirmation of the `number`th appointment.
pub(crate) fn confirmation(query: &str, number: u64) -> String {
    let body = format!(
        "<h1>Your appointment is booked</h1><div class=card><p>Central clinic, Thursday, {at}</p>\
         <p>Your confirmation number</p><p class=code>{CODE}{number:05}</p>\
         <p>Bring your insurance card. You can close this page.</p></div>",
        at = TIMES[chosen(query)]
    );
    page("Your appointment is booked", &body)
}

/// What a portal that was overrun shows; bare, as such pages are.
pub(crate) fn broken() -> String {
    "<html><head><title>503 Service Unavailable</title></head>\
     <body><h1>Service Unavailable</h1><p>The server is temporarily unable to service your request.</p></body></html>"
        .to_owned()
}

/// The page for an address that does not exist.
pub(crate) fn missing() -> String {
    page(
        "Page not found",
        "<h1>Page not found</h1><p><a href=\"/booking/\">Book your vaccination</a></p>",
    )
}

fn appointments(left: u64) -> String {
    match left {
        1 => "1 appointment left".to_owned(),
        // No limit was set: nothing to tell.
        u64::MAX => "Appointments are available".to_owned(),
        _ => format!("{left} appointments left"),
    }
}

/// The index of the time that `time=N` names.
fn chosen(query: &str) -> usize {
    let named = query.split('&').find_map(|pair| pair.strip_prefix("time="));
    let index: Option<usize> = named.and_then(|text| text.parse().ok());
    index.filter(|&index| index < TIMES.len()).unwrap_or(0)
}

fn page(title: &str, body: &str) -> String {
    format!(
        "<!doctype html><html lang=en><head><meta charset=utf-8><title>{title} – Health Authority</title>\
         <meta name=viewport content=\"width=device-width,initial-scale=1\"><style>{STYLE}</style></head><body>\
         <header><div><p><b>Health Authority</b>Vaccination booking (a demonstration)</p></div></header>\
         <main>{body}</main></body></html>"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_that_is_not_offered_falls_back_to_the_first() {
        assert!(form("time=3").contains("10:20"));
        for odd in ["", "time=99", "time=-1", "time=<b>", "x=1&time="] {
            let shown = form(odd);
            assert!(shown.contains("8:20") && !shown.contains("<b>x"), "{odd}");
        }
    }

    #[test]
    fn pages_say_when_nothing_is_left() {
        assert!(start(0).contains("No appointments left"));
        assert!(times(0).contains("No appointments left"));
        assert!(start(1).contains("1 appointment left"));
        assert!(!start(u64::MAX).contains("18446744073709551615"));
    }
}
