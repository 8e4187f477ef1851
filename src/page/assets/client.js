/* Keeps a waiting page up to date. ES5 on purpose: old phones. The page is complete without it, and every word it
   shows comes ready from the server: it only swaps text, or the whole panel when the state changes. */
(function (d, w) {
  'use strict';
  var root = d.getElementById('wr'), say = d.getElementById('say'), alarm = d.getElementById('now'),
      conn = d.getElementById('conn'), html = d.documentElement;
  if (!root || !w.XMLHttpRequest || !w.JSON || !d.addEventListener) { return; }
  var state = at('state'), timer = 0, asking = null, fails = 0, frozen = false, audio = null, gone = false,
      said = {}, spoke = 0, QUIET = 300000;
  html.className += ' js';
  said[at('said')] = true;

  function at(name) { return root.getAttribute('data-' + name); }
  function id(name) { return d.getElementById(name); }
  function each(sel, fn) { var n = root.querySelectorAll(sel), i; for (i = 0; i < n.length; i++) { fn(n[i], i); } }
  function time() { return new Date().getTime(); }
  function jitter(ms) { return ms * (0.8 + 0.4 * Math.random()); }
  function again(ms) { w.clearTimeout(timer); timer = w.setTimeout(poll, ms); }
  function have() { var h = id('h'); return (h && h.getAttribute('data-have')) || ''; }
  function reload() { w.location.replace(at('page')); }

  /* Milestones only, at most one in five minutes; a change of state speaks at once. */
  function speak(key, text, changed) {
    if (!key || !text || said[key] || (!changed && time() - spoke < QUIET)) { return; }
    said[key] = true; spoke = time();
    if (changed && (state === 'turn' || state === 'sold-out')) { alarm.textContent = text; } else { say.textContent = text; }
  }

  /* Presses the button for a visitor who is to go in by itself: once, and not when coming back by the Back button. */
  function auto() {
    var f = root.querySelector('form[data-auto]');
    if (f && !gone) { gone = true; w.setTimeout(function () { f.submit(); }, 200); }
  }

  function swap(panel) {
    var focused = root.contains(d.activeElement), open = [];
    each('details', function (n, i) { open[i] = n.open; });
    root.innerHTML = panel;
    each('details', function (n, i) { n.open = !!open[i]; });
    if (focused && id('h')) { id('h').focus(); }
    dress();
  }

  /* Brings the controls of a new panel back to how the visitor had set them. */
  function dress() {
    var a = id('alert'), f = id('freeze'), z = id('frozen');
    if (a) { a.checked = !!audio; }
    if (f) { f.setAttribute('aria-pressed', frozen ? 'true' : 'false'); }
    if (z) { z.hidden = !frozen; }
  }

  function apply(s) {
    var text = s.text || {}, changed = s.state !== state, bar;
    if (changed) { state = s.state; root.setAttribute('data-state', state); said = {}; }
    if (typeof s.panel === 'string' && (changed || !frozen)) { swap(s.panel); }
    if (changed || !frozen) {
      each('[data-t]', function (n) {
        var v = text[n.getAttribute('data-t')];
        if (typeof v === 'string' && n.textContent !== v) { n.textContent = v; }
      });
      bar = id('bar');
      if (bar && typeof s.place === 'number') { bar.value = Math.max(0, bar.max - s.place); }
    }
    if (text.title) { d.title = text.title; }
    speak(s.say_id, text.say, changed);
    if (changed && (state === 'turn' || state === 'late')) { ring(text.say); }
    auto();
  }

  function poll() {
    var x = new w.XMLHttpRequest(), url = at('status');
    if (asking) { return; }
    w.clearTimeout(timer); timer = 0;
    asking = x;
    x.onload = function () {
      var s = null, wait;
      asking = null;
      try { s = JSON.parse(x.responseText); } catch (e) { s = null; }
      if (x.status !== 200 || !s) { wait = parseInt(x.getResponseHeader('Retry-After'), 10); failed(wait > 0 ? wait * 1000 : 0); return; }
      if (s.v !== 1) { w.setTimeout(reload, 60000 * Math.random()); return; }
      apply(s);
      if (fails > 1) { conn.hidden = true; say.textContent = conn.getAttribute('data-back'); }
      fails = 0;
      if (!s['final']) { again(jitter((s.poll_ms || 20000) * (d.hidden ? 2 : 1))); }
    };
    x.onerror = x.ontimeout = x.onabort = function () { asking = null; failed(0); };
    try {
      x.open('GET', url + (url.indexOf('?') < 0 ? '?' : '&') + 'have=' + encodeURIComponent(have()), true);
      x.timeout = 15000;
      x.send();
    } catch (e) { asking = null; failed(0); }
  }

  /* Full jitter, 5 s doubling to 2 min; Retry-After is a floor. What is shown stays. */
  function failed(floor) {
    fails += 1;
    if (fails === 2) { conn.hidden = false; say.textContent = conn.textContent; }
    again(floor + 2000 + Math.random() * Math.min(120000, 5000 * Math.pow(2, Math.min(fails, 10))));
  }

  function ring(text) {
    var n = w.navigator;
    if (!audio) { return; }
    try { if (audio.resume) { audio.resume(); } beep(); } catch (e) { }
    try { if (n.vibrate) { n.vibrate([300, 200, 300]); } } catch (e2) { }
    try { if (d.hidden && w.Notification && w.Notification.permission === 'granted') { new w.Notification(text || d.title); } } catch (e3) { }
  }
  function beep() {
    var t = audio.currentTime, i, o, g;
    for (i = 0; i < 3; i++) {
      o = audio.createOscillator(); g = audio.createGain();
      o.frequency.value = 660; g.gain.value = 0.2;
      o.connect(g); g.connect(audio.destination);
      o.start(t + i * 0.4); o.stop(t + i * 0.4 + 0.2);
    }
  }
  /* Plays a sample at once, so that it is allowed and known to work. */
  function sound(wanted) {
    var A = w.AudioContext || w.webkitAudioContext;
    audio = null;
    if (!wanted || !A) { return; }
    try { audio = new A(); beep(); } catch (e) { }
    try { if (w.Notification && w.Notification.permission === 'default') { w.Notification.requestPermission(); } } catch (e2) { }
  }

  root.addEventListener('change', function (e) {
    if (e.target.id === 'alert') { sound(e.target.checked); }
  }, false);
  root.addEventListener('click', function (e) {
    if (e.target.id === 'freeze') { frozen = !frozen; dress(); if (frozen) { say.textContent = id('frozen').textContent; } else { poll(); } }
    if (e.target.id === 'check' && at('pending') === null) { e.preventDefault(); frozen = false; dress(); spoke = 0; poll(); }
  }, false);
  root.addEventListener('submit', function () { gone = true; w.clearTimeout(timer); }, false);
  d.addEventListener('visibilitychange', function () { if (!d.hidden && timer) { again(1000 * Math.random()); } }, false);
  w.addEventListener('online', function () { if (timer) { again(3000 * Math.random()); } }, false);
  w.addEventListener('pageshow', function (e) { if (e.persisted) { again(0); } }, false);

  auto();
  if (at('pending') !== null) { w.setTimeout(reload, jitter(+at('first') || 5000)); return; }
  if (at('final') === null) { again(jitter(+at('first') || 5000)); }
}(document, window));
