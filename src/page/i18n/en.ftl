# What visitors read, in English: the source of every other language.
#
# Whole sentences only, one message each. Short words, sentences of at most 22 words, "you" and "we".
# Never write: maintenance, technical difficulties, error codes, session, token, redirect, "please be patient".
#
# <b> and </b> are the only markup. The names a message may use, and what they hold:
#   numbers  $place (how many until you are called)  $ahead ($place − 1)  $start  $stock  $early (here before the opening)
#            $lo $hi (minutes)  $lo-hours $lo-minutes $hi-hours $hi-minutes  $left (minutes)  $left-hours
#            $asked (minutes)  $idle (minutes)  $retry (seconds)
#   clocks   $now $from $to $since $until $by $called
#   dates    $since-date $until-date
#   words    $since-is $until-is: today, day or none
#   texts    $service $phone $hours

## The frame of every page

lang-label = Language
help = Need help? Call { $phone }.
help-hours = Need help? Call { $phone } ({ $hours }).
help-code = Say your queue code:
cookie-line = This page keeps one cookie with your place in the queue. It holds no name and is not used for tracking.
link-privacy = Privacy
link-accessibility = Accessibility
offline = You are offline, or the service cannot be reached. Your place is still kept. This page keeps trying.
online = You are connected again.
title-turn = ✔ Your turn
title-count = ({ $place }) You are in the queue

## The number, the wait and the clock

number-label = You are number
place = { $place }
ahead = { $ahead ->
    [0] Nobody is ahead of you
    [one] { $ahead } person is ahead of you
   *[other] { $ahead } people are ahead of you
}
bar-label = How far you have come in the queue
wait-label = Expected wait
wait-less = { $hi ->
    [one] less than { $hi } minute
   *[other] less than { $hi } minutes
}
wait-range = { $lo } to { $hi } minutes
wait-hours = { $lo-hours ->
    [0] { $lo-minutes } minutes to { $hi-hours } h { $hi-minutes } min
   *[other] { $lo-hours } h { $lo-minutes } min to { $hi-hours } h { $hi-minutes } min
}
wait-more = more than 3 hours
clock-label = Your turn
clock-before = before { $to }
clock-between = between { $from } and { $to }
clock-after = after { $from }
date = { $weekday } { $day } { $month }

## Early: the room opens later

early-h = { $until-is ->
    [today] Booking opens at { $until }
    [day] Booking opens on { $until-date } at { $until }
   *[none] Booking has not opened yet
}
early-title = { $until-is ->
    [today] Opens at { $until }
    [day] Opens on { $until-date }
   *[none] Not open yet
}
early-now = It is now { $now }.
early-lead = You are early and you do not need to do anything. Stay on this page.
early-draw = { $until-is ->
    [none] When booking opens, everyone on this page gets a place in the queue <b>in random order</b>. Coming earlier does not give you a better place.
   *[other] At { $until } everyone on this page gets a place in the queue <b>in random order</b>. Coming earlier does not give you a better place.
}
early-arrival = { $until-is ->
    [none] When booking opens, the queue starts to move. Your place is kept in the order in which people came.
   *[other] At { $until } the queue starts to move. Your place is kept in the order in which people came.
}
early-left-label = Time left
early-left = { $left-hours ->
    [0] { $left ->
        [one] { $left } minute
       *[other] { $left } minutes
    }
    [one] { $left-hours } hour
   *[other] { $left-hours } hours
}
early-count-label = Waiting for the opening
early-count = { $early ->
    [one] { $early } person
   *[other] about { $early } people
}
early-say = { $left ->
    [one] Booking opens in { $left } minute.
   *[other] Booking opens in { $left } minutes.
}

## In the queue

waiting-h = You are in the queue
waiting-lead = Many people want to book at the same time. We let people in a few at a time, in order. You do not need to do anything.
waiting-new = The queue has just started. We will show your expected wait in a few minutes, when we know how fast it moves.
waiting-long = The queue is long today.
waiting-long-note = You do not have to sit here. Your place is kept. Come back after <b>{ $from }</b>.
waiting-slower = <b>The wait is longer than we said before.</b> People are taking more time to book. Your place in the queue has not changed.
waiting-scarce = { $stock ->
    [0] <b>There may not be an appointment for everyone in the queue.</b>
    [one] <b>There may not be an appointment for everyone in the queue.</b> About { $stock } appointment is left.
   *[other] <b>There may not be an appointment for everyone in the queue.</b> About { $stock } appointments are left.
}
pending-h = Your number comes in a moment
pending-lead = You do not have a number yet. The queue will give you one in a moment.
pending-held = People get their numbers in the order in which they came. You will get yours in a moment.
pending-kept = If you have a place in the queue, it is kept. We will show your number again in a moment.
pending-again = This page tries again by itself.
near-h = It is nearly your turn
near-lead = Stay near this screen and have your details ready.
kept = Your place is kept. You can switch to another app, refresh this page or lose your connection. You will not lose your place.
say-place = You are number { $place }.
say-wait = You are number { $place }. Expected wait { $lo } to { $hi } minutes.
say-near = It is nearly your turn. Stay near this screen.
say-slower = The wait is longer than we said before. Your place in the queue has not changed.
say-scarce = There may not be an appointment for everyone in the queue.

## Your turn

turn-h = It is your turn
turn-lead = Press the button to go in. Please enter by <b>{ $by }</b>.
turn-lead-open = Press the button to go in.
turn-left-label = Time left to enter
turn-left = { $left ->
    [0] less than 1 minute
    [one] { $left } minute
   *[other] { $left } minutes
}
turn-inside = { $idle ->
    [one] Once you are in, take the time you need. If you do nothing for { $idle } minute, you come back to this page.
   *[other] Once you are in, take the time you need. If you do nothing for { $idle } minutes, you come back to this page.
}
turn-miss = If you miss { $by }, you do not go to the back of the queue.
turn-say = It is your turn. Press Enter the booking service by { $by }.
turn-say-open = It is your turn. Press Enter the booking service.
turn-say-left = { $left ->
    [0] You have less than 1 minute left to enter.
    [one] You have { $left } minute left to enter.
   *[other] You have { $left } minutes left to enter.
}
turn-auto = You are going in by yourself. If nothing happens, press the button.
late-h = Your turn came at { $called }
late-h-open = Your turn has come
late-title = You can still go in
late-lead = You missed the time, but you have not lost your turn. Press the button and you will be one of the next people to go in.
late-say = Your turn has come. You can still go in.
asked-h = You are going in soon
asked-lead = { $asked ->
    [0] You have pressed the button. You go in within one minute.
    [one] You have pressed the button. It takes about { $asked } minute until you go in.
   *[other] You have pressed the button. It takes about { $asked } minutes until you go in.
}
asked-open = You have pressed the button. You go in as soon as there is room.
asked-keep = Keep this page open. You do not need to press again.
entering-h = You are going in
entering-lead = The booking service is opening. This can take up to 20 seconds.
entering-help = If nothing happens after that, press this button.
entered-h = You can go in now
entered-lead = The booking service is open for you.
returning-h = You can go back in
returning-lead = { $idle ->
    [0] You were away from the booking service for a while.
    [one] You did nothing in the booking service for { $idle } minute.
   *[other] You did nothing in the booking service for { $idle } minutes.
}
returning-safe = What you typed on the last page may not have been sent. An appointment you already confirmed is safe.
returning-front = You go back in ahead of people who have not had a turn yet.

## The queue stands still

paused-h = The queue is paused
paused-lead = Nobody is being let in right now. You have not lost your place.
paused-until = { $since-is ->
    [today] Paused at { $since }. We expect to start again at about <b>{ $until }</b>. You do not need to do anything.
   *[other] We expect to start again at about <b>{ $until }</b>. You do not need to do anything.
}
paused-until-day = We expect to start again on <b>{ $until-date } at { $until }</b>. You do not need to do anything.
paused-open = { $since-is ->
    [today] Paused at { $since }. We do not know yet when it starts again. We will tell you here.
   *[other] We do not know yet when it starts again. We will tell you here.
}
origin-h = There is a problem with the booking service
origin-lead = The problem is with the booking service, not with your phone or computer. Your place in the queue is kept.
origin-note = { $since-is ->
    [today] We stopped letting people in at { $since } while it is fixed. This page will tell you when the queue moves again.
   *[other] We have stopped letting people in while it is fixed. This page will tell you when the queue moves again.
}
moving-say = The queue is moving again.

## For programs, which read it as a problem's title and detail: join_url is a member of the same document

join-h = You are not in the queue yet
join-lead = Send a POST to join_url to join the queue. The answer has your number, or will have it when you repeat the call, and the ticket to show from then on.

## Not in the queue, or no more

full-h = The queue is full
full-lead = We cannot add more people right now. <b>You are not in the queue.</b>
full-note = { $until-is ->
    [today] Places become free as people finish. Try again after <b>{ $until }</b>. Trying more often does not help.
    [day] Places become free as people finish. Try again on <b>{ $until-date } after { $until }</b>. Trying more often does not help.
   *[none] Places become free as people finish. Try again in a few minutes. Trying more often does not help.
}
sold-out-h = All appointments are taken
sold-out-title = No appointments left
sold-out-lead = There are no more appointments. We are sorry. The queue is closed, so you can stop waiting.
sold-out-more = More appointments will be added on <b>{ $until-date } at { $until }</b>.
sold-out-phone = You can also call us. People who call get the same appointments.
closed-h = Booking is closed
closed-lead = { $since-is ->
    [today] Booking ended today at { $since }.
    [day] Booking ended on { $since-date } at { $since }.
   *[none] You cannot book at the moment.
}
closed-until = Booking opens again on <b>{ $until-date } at { $until }</b>.
other-link = Other ways to book, or change an appointment you have
invalid-h = We do not know your place in the queue
invalid-lead = It may be from a queue that has ended, or the code may be mistyped.
code-ask = Queue code, for example K7QM-4T2P
expired-h = This queue has ended
expired-lead = { $since-is ->
    [today] Your place was in a queue that ended today at { $since }.
    [day] Your place was in a queue that ended on { $since-date }.
   *[none] Your place was in a queue that has ended.
}
moved-h = Your place is open on another device
moved-lead = { $since-is ->
    [today] Your queue code was used on another phone or computer at { $since }. Your place is kept there.
   *[other] Your queue code was used on another phone or computer. Your place is kept there.
}
moved-yours = If this was not you, press the button to take your place back.
cookies-h = Your browser is blocking cookies
cookies-lead = You keep your place, but you cannot go in until cookies are allowed for this website.
cookies-note = We use one cookie, only to remember your turn. Allow cookies in your browser settings, leave private mode, or open this link in another browser.
cookies-link = My place in the queue
left-h = You have left the queue
left-lead = Your place was given up. Nothing is stored about you.
not-sent = <b>What you typed on the last page was not sent.</b> Nothing was booked or changed. After your turn, please type it again.

## Controls and help on the page

message-h = Message
alert = Play a sound when it is my turn
freeze = Stop updates on this screen
frozen = Updates are stopped on this screen. Your place is still kept and we will still tell you when it is your turn.
check = Check my place now
nojs = This page does not update by itself in your browser. Press “Check my place now” whenever you like. Checking more often does not move you forward.
auto = Refresh this page for me every minute
auto-on = This page refreshes itself every minute.
auto-stop = Stop refreshing this page
ready-h = While you wait, have these ready
code-h = Your queue code
code-help = Write this down. If you call us, say this code.
code-move = Write this down. It brings you back to your place on any phone or computer.
code-link = Print or move my place to another device
faq-h = Common questions
faq-close-q = What if I close this page?
faq-close = You keep your place. Open the same web address again in this browser.
faq-refresh-q = Does refreshing move me back?
faq-refresh = No. It does not move you back or forward.
faq-tabs-q = Should I open more tabs or phones?
faq-tabs = No. Each browser has one place. More tabs do not help.
leave = Leave the queue
btn-enter = Enter the booking service
btn-late = Go in now
btn-continue = Continue
btn-back = Go back in
btn-more = I need more time
btn-again = Try again
btn-join = Join the queue
btn-rejoin = Join the queue again
btn-here = Use my place on this device instead
btn-find = Find my place

## Pages of their own

leave-h = Leave the queue?
leave-lead = { $place ->
    [0] You will lose your turn.
   *[other] You will lose place { $place }.
}
leave-inside-h = Finish and leave?
leave-inside-lead = You will leave the booking service. An appointment you already confirmed is safe.
btn-stay = Stay in the queue
btn-stay-inside = Go back to booking
btn-leave = Leave
inside-origin-h = There is a problem with the booking service
inside-origin-lead = The problem is with the booking service, not with your phone or computer. You do not need to queue again.
inside-origin-note = What you typed on the last page may not have been sent. Please try again in a moment.
too-many-h = Please wait a moment
too-many-lead = { $retry ->
    [one] Many requests came from your network. You have not lost your place. Try again in { $retry } second.
   *[other] Many requests came from your network. You have not lost your place. Try again in { $retry } seconds.
}
crowded-h = Please wait a moment
crowded-lead = { $retry ->
    [one] Very many people are joining the queue from your network. You do not have a number yet. This page tries again in { $retry } second.
   *[other] Very many people are joining the queue from your network. You do not have a number yet. This page tries again in { $retry } seconds.
}
crowded-note = You can also use another network, for example mobile data in place of Wi-Fi.
bad-request-h = We could not read this request
bad-request-lead = Your browser sent something we could not understand. Open the web address of the booking service again.
not-found-h = This page does not exist
not-found-lead = Check the web address, or go to the booking service.
trouble-h = Something went wrong on our side
trouble-lead = The problem is with this website, not with your phone or computer. If you have a place in the queue, it is kept.
btn-service = Go to the booking service

## Names of days and months, for dates

weekday-1 = Monday
weekday-2 = Tuesday
weekday-3 = Wednesday
weekday-4 = Thursday
weekday-5 = Friday
weekday-6 = Saturday
weekday-7 = Sunday
month-1 = January
month-2 = February
month-3 = March
month-4 = April
month-5 = May
month-6 = June
month-7 = July
month-8 = August
month-9 = September
month-10 = October
month-11 = November
month-12 = December
