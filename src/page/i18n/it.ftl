# What visitors read, in Italian: formal (Lei), 24-hour clock, "ore" before every time so that no article changes.

## The frame of every page

lang-label = Lingua
help = Serve aiuto? Chiami il numero { $phone }.
help-hours = Serve aiuto? Chiami il numero { $phone } ({ $hours }).
help-code = Comunichi il Suo codice:
cookie-line = Questa pagina usa un solo cookie, che conserva il Suo posto in coda. Non contiene nomi e non serve a tracciarLa.
link-privacy = Privacy
link-accessibility = Accessibilità
offline = Manca la connessione, oppure il servizio non è raggiungibile. Il Suo posto resta conservato. Questa pagina continua a provare.
online = La connessione è tornata.
title-turn = ✔ È il Suo turno
title-count = ({ $place }) È in coda

## The number, the wait and the clock

number-label = Lei è il numero
place = { $place }
ahead = { $ahead ->
    [0] Nessuno è prima di Lei
    [one] { $ahead } persona è prima di Lei
   *[other] { $ahead } persone sono prima di Lei
}
bar-label = Il Suo avanzamento nella coda
wait-label = Attesa prevista
wait-less = { $hi ->
    [one] meno di { $hi } minuto
   *[other] meno di { $hi } minuti
}
wait-range = da { $lo } a { $hi } minuti
wait-hours = { $lo-hours ->
    [0] da { $lo-minutes } minuti a { $hi-hours } h { $hi-minutes } min
   *[other] da { $lo-hours } h { $lo-minutes } min a { $hi-hours } h { $hi-minutes } min
}
wait-more = più di 3 ore
clock-label = Il Suo turno
clock-before = prima delle ore { $to }
clock-between = tra le ore { $from } e le ore { $to }
clock-after = dopo le ore { $from }
date = { $weekday } { $day } { $month }

## Early: the room opens later

early-h = { $until-is ->
    [today] Le prenotazioni aprono alle ore { $until }
    [day] Le prenotazioni aprono { $until-date } alle ore { $until }
   *[none] Le prenotazioni non sono ancora aperte
}
early-title = { $until-is ->
    [today] Apre alle ore { $until }
    [day] Apre { $until-date }
   *[none] Non ancora aperto
}
early-now = Ora sono le ore { $now }.
early-lead = È in anticipo e non deve fare nulla. Resti su questa pagina.
early-draw = { $until-is ->
    [none] All’apertura ogni persona su questa pagina riceve un posto in coda <b>in ordine casuale</b>. Arrivare prima non dà un posto migliore.
   *[other] Alle ore { $until } ogni persona su questa pagina riceve un posto in coda <b>in ordine casuale</b>. Arrivare prima non dà un posto migliore.
}
early-arrival = { $until-is ->
    [none] All’apertura la coda comincia a muoversi. Il Suo posto è conservato in ordine di arrivo.
   *[other] Alle ore { $until } la coda comincia a muoversi. Il Suo posto è conservato in ordine di arrivo.
}
early-left-label = Tempo rimanente
early-left = { $left-hours ->
    [0] { $left ->
        [one] { $left } minuto
       *[other] { $left } minuti
    }
    [one] { $left-hours } ora
   *[other] { $left-hours } ore
}
early-count-label = In attesa dell’apertura
early-count = { $early ->
    [one] { $early } persona
   *[other] circa { $early } persone
}
early-say = { $left ->
    [one] Le prenotazioni aprono tra { $left } minuto.
   *[other] Le prenotazioni aprono tra { $left } minuti.
}

## In the queue

waiting-h = È in coda
waiting-lead = Molte persone vogliono prenotare nello stesso momento. Facciamo entrare poche persone alla volta, in ordine. Non deve fare nulla.
waiting-new = La coda è appena iniziata. Tra qualche minuto mostreremo l’attesa prevista, quando sapremo quanto è veloce.
waiting-long = Oggi la coda è lunga.
waiting-long-note = Non deve restare qui. Il Suo posto è conservato. Torni dopo le ore <b>{ $from }</b>.
waiting-slower = <b>L’attesa è più lunga di quanto avevamo detto.</b> Le persone impiegano più tempo a prenotare. Il Suo posto in coda non è cambiato.
waiting-scarce = { $stock ->
    [0] <b>Potrebbe non esserci un appuntamento per tutte le persone in coda.</b>
    [one] <b>Potrebbe non esserci un appuntamento per tutte le persone in coda.</b> Ne resta circa { $stock }.
   *[other] <b>Potrebbe non esserci un appuntamento per tutte le persone in coda.</b> Ne restano circa { $stock }.
}
pending-h = Tra poco avrà il Suo numero
pending-lead = Non ha ancora un numero. Tra poco la coda Le darà il Suo numero.
pending-held = I numeri si danno nell’ordine in cui si è arrivati. Tra poco avrà il Suo.
pending-kept = Se ha un posto in coda, è conservato. Tra poco mostreremo di nuovo il Suo numero.
pending-again = Questa pagina riprova da sola.
near-h = È quasi il Suo turno
near-lead = Resti vicino a questo schermo e tenga pronti i Suoi dati.
kept = Il Suo posto è conservato. Può usare un’altra app, ricaricare questa pagina o perdere la connessione. Non perderà il posto.
say-place = Lei è il numero { $place }.
say-wait = Lei è il numero { $place }. Attesa prevista da { $lo } a { $hi } minuti.
say-near = È quasi il Suo turno. Resti vicino a questo schermo.
say-slower = L’attesa è più lunga di quanto avevamo detto. Il Suo posto in coda non è cambiato.
say-scarce = Potrebbe non esserci un appuntamento per tutte le persone in coda.

## Your turn

turn-h = È il Suo turno
turn-lead = Prema il pulsante per entrare, entro le ore <b>{ $by }</b>.
turn-lead-open = Prema il pulsante per entrare.
turn-left-label = Tempo per entrare
turn-left = { $left ->
    [0] meno di 1 minuto
    [one] { $left } minuto
   *[other] { $left } minuti
}
turn-inside = { $idle ->
    [one] Una volta dentro ha il tempo che Le serve. Se non fa nulla per { $idle } minuto, torna a questa pagina.
   *[other] Una volta dentro ha il tempo che Le serve. Se non fa nulla per { $idle } minuti, torna a questa pagina.
}
turn-miss = Se entra dopo le ore { $by }, non torna in fondo alla coda.
turn-say = È il Suo turno. Prema Entra nel servizio di prenotazione entro le ore { $by }.
turn-say-open = È il Suo turno. Prema Entra nel servizio di prenotazione.
turn-say-left = { $left ->
    [0] Ha meno di 1 minuto per entrare.
    [one] Ha ancora { $left } minuto per entrare.
   *[other] Ha ancora { $left } minuti per entrare.
}
turn-auto = L’ingresso avviene da solo. Se non succede nulla, prema il pulsante.
late-h = Il Suo turno è arrivato alle ore { $called }
late-h-open = Il Suo turno è arrivato
late-title = Può ancora entrare
late-lead = L’orario è passato, ma non ha perso il turno. Prema il pulsante e sarà tra le prossime persone a entrare.
late-say = Il Suo turno è arrivato. Può ancora entrare.
asked-h = Tra poco entrerà
asked-lead = { $asked ->
    [0] Ha premuto il pulsante. Entrerà entro un minuto.
    [one] Ha premuto il pulsante. Entrerà tra circa { $asked } minuto.
   *[other] Ha premuto il pulsante. Entrerà tra circa { $asked } minuti.
}
asked-open = Ha premuto il pulsante. Entrerà appena c’è posto.
asked-keep = Tenga aperta questa pagina. Non deve premere di nuovo.
entering-h = Sta entrando
entering-lead = Il servizio di prenotazione si sta aprendo. Possono servire fino a 20 secondi.
entering-help = Se dopo non succede nulla, prema questo pulsante.
entered-h = Ora può entrare
entered-lead = Il servizio di prenotazione è aperto per Lei.
returning-h = Può rientrare
returning-lead = { $idle ->
    [0] È passato del tempo dalla Sua ultima azione nel servizio di prenotazione.
    [one] Nel servizio di prenotazione non è successo nulla per { $idle } minuto.
   *[other] Nel servizio di prenotazione non è successo nulla per { $idle } minuti.
}
returning-safe = Quello che ha scritto nell’ultima pagina potrebbe non essere stato inviato. Un appuntamento già confermato è al sicuro.
returning-front = Rientra prima delle persone che non hanno ancora avuto il turno.

## The queue stands still

paused-h = La coda è in pausa
paused-lead = In questo momento non entra nessuno. Non ha perso il Suo posto.
paused-until = { $since-is ->
    [today] In pausa dalle ore { $since }. Pensiamo di riprendere verso le ore <b>{ $until }</b>. Non deve fare nulla.
   *[other] Pensiamo di riprendere verso le ore <b>{ $until }</b>. Non deve fare nulla.
}
paused-until-day = Pensiamo di riprendere <b>{ $until-date } alle ore { $until }</b>. Non deve fare nulla.
paused-open = { $since-is ->
    [today] In pausa dalle ore { $since }. Non sappiamo ancora quando riprenderà. Lo scriveremo qui.
   *[other] Non sappiamo ancora quando riprenderà. Lo scriveremo qui.
}
origin-h = C’è un problema con il servizio di prenotazione
origin-lead = Il problema riguarda il servizio di prenotazione, non il Suo telefono o computer. Il Suo posto in coda è conservato.
origin-note = { $since-is ->
    [today] Dalle ore { $since } non facciamo entrare nessuno, finché il problema non è risolto. Questa pagina Le dirà quando la coda riparte.
   *[other] Per ora non facciamo entrare nessuno, finché il problema non è risolto. Questa pagina Le dirà quando la coda riparte.
}
moving-say = La coda si muove di nuovo.

## For programs, which read it as a problem's title and detail: join_url is a member of the same document

join-h = Non è ancora in coda
join-lead = Per entrare in coda invii una richiesta POST a join_url. La risposta contiene il Suo numero, o lo conterrà quando ripeterà la chiamata, e il biglietto da mostrare in seguito.

## Not in the queue, or no more

full-h = La coda è piena
full-lead = In questo momento non possiamo aggiungere altre persone. <b>Lei non è in coda.</b>
full-note = { $until-is ->
    [today] I posti si liberano quando le persone finiscono. Riprovi dopo le ore <b>{ $until }</b>. Provare più spesso non serve.
    [day] I posti si liberano quando le persone finiscono. Riprovi <b>{ $until-date } dopo le ore { $until }</b>. Provare più spesso non serve.
   *[none] I posti si liberano quando le persone finiscono. Riprovi tra qualche minuto. Provare più spesso non serve.
}
sold-out-h = Gli appuntamenti sono esauriti
sold-out-title = Appuntamenti esauriti
sold-out-lead = Non ci sono più appuntamenti. Ci dispiace. La coda è chiusa e può smettere di aspettare.
sold-out-more = Altri appuntamenti saranno disponibili <b>{ $until-date } alle ore { $until }</b>.
sold-out-phone = Può anche telefonarci. Chi telefona trova gli stessi appuntamenti.
closed-h = Le prenotazioni sono chiuse
closed-lead = { $since-is ->
    [today] Le prenotazioni si sono chiuse oggi alle ore { $since }.
    [day] Le prenotazioni si sono chiuse { $since-date } alle ore { $since }.
   *[none] In questo momento non è possibile prenotare.
}
closed-until = Le prenotazioni riaprono <b>{ $until-date } alle ore { $until }</b>.
other-link = Altri modi per prenotare, o per modificare un appuntamento
invalid-h = Non troviamo il Suo posto in coda
invalid-lead = Può appartenere a una coda finita, oppure il codice può essere scritto male.
code-ask = Codice della coda, per esempio K7QM-4T2P
expired-h = Questa coda è finita
expired-lead = { $since-is ->
    [today] Il Suo posto era in una coda finita oggi alle ore { $since }.
    [day] Il Suo posto era in una coda finita { $since-date }.
   *[none] Il Suo posto era in una coda che è finita.
}
moved-h = Il Suo posto è aperto su un altro dispositivo
moved-lead = { $since-is ->
    [today] Il Suo codice è stato usato su un altro telefono o computer alle ore { $since }. Il Suo posto è conservato lì.
   *[other] Il Suo codice è stato usato su un altro telefono o computer. Il Suo posto è conservato lì.
}
moved-yours = Se non lo ha fatto Lei, prema il pulsante per riprendere il Suo posto.
cookies-h = Il Suo browser blocca i cookie
cookies-lead = Il Suo posto è conservato, ma per entrare deve consentire i cookie per questo sito.
cookies-note = Usiamo un solo cookie, per ricordare il Suo turno. Consenta i cookie nelle impostazioni, esca dalla navigazione privata, oppure apra questo link in un altro browser.
cookies-link = Il mio posto in coda
left-h = Ha lasciato la coda
left-lead = Ha rinunciato al Suo posto. Non conserviamo nulla su di Lei.
not-sent = <b>Quello che ha scritto nell’ultima pagina non è stato inviato.</b> Nulla è stato prenotato o modificato. Dopo il Suo turno lo scriva di nuovo.

## Controls and help on the page

message-h = Messaggio
alert = Avvisami con un suono quando è il mio turno
freeze = Ferma gli aggiornamenti su questo schermo
frozen = Gli aggiornamenti su questo schermo sono fermi. Il Suo posto è conservato e La avviseremo comunque quando è il Suo turno.
check = Controlla ora il mio posto
nojs = In questo browser la pagina non si aggiorna da sola. Prema «Controlla ora il mio posto» quando vuole. Controllare più spesso non fa avanzare.
auto = Aggiorna la pagina ogni minuto
auto-on = Questa pagina si aggiorna da sola ogni minuto.
auto-stop = Smetti di aggiornare la pagina
ready-h = Intanto tenga pronti
code-h = Il Suo codice
code-help = Lo scriva su un foglio. Se ci telefona, comunichi questo codice.
code-move = Lo scriva su un foglio. Con il codice ritrova il Suo posto su qualsiasi telefono o computer.
code-link = Stampa o sposta il mio posto su un altro dispositivo
faq-h = Domande frequenti
faq-close-q = E se chiudo questa pagina?
faq-close = Il posto resta Suo. Apra di nuovo lo stesso indirizzo con questo browser.
faq-refresh-q = Se ricarico la pagina torno indietro?
faq-refresh = No. Ricaricare non fa andare né indietro né avanti.
faq-tabs-q = Conviene aprire più schede o più telefoni?
faq-tabs = No. Ogni browser ha un solo posto. Aprire più schede non aiuta.
leave = Esci dalla coda
btn-enter = Entra nel servizio di prenotazione
btn-late = Entra ora
btn-continue = Continua
btn-back = Rientra
btn-more = Mi serve più tempo
btn-again = Riprova
btn-join = Entra in coda
btn-rejoin = Torna in coda
btn-here = Usa il mio posto su questo dispositivo
btn-find = Trova il mio posto

## Pages of their own

leave-h = Vuole uscire dalla coda?
leave-lead = { $place ->
    [0] Perderà il Suo turno.
   *[other] Perderà il posto { $place }.
}
leave-inside-h = Ha finito e vuole uscire?
leave-inside-lead = Uscirà dal servizio di prenotazione. Un appuntamento già confermato è al sicuro.
btn-stay = Resta in coda
btn-stay-inside = Torna alla prenotazione
btn-leave = Esci
inside-origin-h = C’è un problema con il servizio di prenotazione
inside-origin-lead = Il problema riguarda il servizio di prenotazione, non il Suo telefono o computer. Non deve rifare la coda.
inside-origin-note = Quello che ha scritto nell’ultima pagina potrebbe non essere stato inviato. Riprovi tra un momento.
too-many-h = Attenda un momento
too-many-lead = { $retry ->
    [one] Sono arrivate molte richieste dalla Sua rete. Non ha perso il posto. Riprovi tra { $retry } secondo.
   *[other] Sono arrivate molte richieste dalla Sua rete. Non ha perso il posto. Riprovi tra { $retry } secondi.
}
crowded-h = Attenda un momento
crowded-lead = { $retry ->
    [one] Moltissime persone entrano in coda dalla Sua rete. Non ha ancora un numero. Questa pagina riprova tra { $retry } secondo.
   *[other] Moltissime persone entrano in coda dalla Sua rete. Non ha ancora un numero. Questa pagina riprova tra { $retry } secondi.
}
crowded-note = Può anche usare un’altra rete, per esempio i dati mobili al posto del Wi-Fi.
bad-request-h = Non abbiamo capito la richiesta
bad-request-lead = Il Suo browser ha inviato qualcosa che non abbiamo potuto leggere. Apra di nuovo l’indirizzo del servizio di prenotazione.
not-found-h = Questa pagina non esiste
not-found-lead = Controlli l’indirizzo, oppure vada al servizio di prenotazione.
trouble-h = Qualcosa non ha funzionato da parte nostra
trouble-lead = Il problema riguarda questo sito, non il Suo telefono o computer. Se ha un posto in coda, è conservato.
btn-service = Vai al servizio di prenotazione

## Names of days and months, for dates

weekday-1 = lunedì
weekday-2 = martedì
weekday-3 = mercoledì
weekday-4 = giovedì
weekday-5 = venerdì
weekday-6 = sabato
weekday-7 = domenica
month-1 = gennaio
month-2 = febbraio
month-3 = marzo
month-4 = aprile
month-5 = maggio
month-6 = giugno
month-7 = luglio
month-8 = agosto
month-9 = settembre
month-10 = ottobre
month-11 = novembre
month-12 = dicembre
