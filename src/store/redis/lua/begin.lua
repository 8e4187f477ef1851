-- One exchange of a room's line: the rules of the Rust module `line`, step by step and under the same names.
--
-- wire.rs lays out the arguments, and script.rs puts constants where their names stand (in capitals). Numbers stay
-- below 2^53, so that a Lua number holds them exactly; where one goes into a command as text it is written with
-- format(), because Lua's and some servers' own conversion rounds or writes an exponent. Identifiers stay text.
-- What happens in every exchange stands in line: functions are made only where something happens, as making them
-- would cost more than an idle exchange does.

local call, floor, min, max, format = redis.call, math.floor, math.min, math.max, string.format
-- Keys go by their names (in capitals as well) for KEYS[1] and so on: a function has room for 200 local variables
-- (for the same reason KEYS.leased, due.withheld and due.sharing are none, see lease.lua; nor KEYS.places and
-- KEYS.counted_us, see places.lua).
local KEYS = KEYS
local clock, instance, sequence, given_store, given_nonce, known_created, known_nonce, known_tail, known_head,
  known_now_us, known_turns, known_entries, known_finished, told, joins, given_stock, sold_out, leaving, eager_n,
  keyed_n, heard_n, asks_n, checks_n, more_n, finishes_n, unasks_n, renewals_n, given_health, known_opening,
  known_stubs, known_instances, slices_n, given_witnesses =
  struct.unpack(EXCHANGE_FORMAT, ARGV[1])

-- Where each list begins in ARGV, less one; identifiers, numbers and times are columns of their own.
local EAGER = 2
local KEYED_LIST = EAGER + eager_n
local HEARD = KEYED_LIST + keyed_n
local ASK_IDS = HEARD + heard_n
local CHECK_IDS = ASK_IDS + asks_n
local FINISH_IDS = CHECK_IDS + checks_n
local UNASK_IDS = FINISH_IDS + finishes_n
local RENEWAL_IDS = UNASK_IDS + unasks_n
local ASK_NUMBERS = RENEWAL_IDS + renewals_n
local CHECK_NUMBERS = ASK_NUMBERS + asks_n
local MORE_NUMBERS = CHECK_NUMBERS + checks_n
local FINISH_NUMBERS = MORE_NUMBERS + more_n
local UNASK_NUMBERS = FINISH_NUMBERS + finishes_n
local RENEWAL_TIMES = UNASK_NUMBERS + unasks_n
local RENEWAL_ENTERED = RENEWAL_TIMES + renewals_n
local FINISH_TIMES = RENEWAL_ENTERED + renewals_n
local SLICES = FINISH_TIMES + finishes_n + 1
local LOST = SLICES + min(slices_n, 1)

-- The same exchange again gets the same answer; an older one is told which was the last.
local last = call('HGET', ANSWERED, instance)
if last then
  local answered = struct.unpack('>I8', last)
  if sequence == answered then return last end
  if sequence < answered then return answered end
end

local stored = call('GET', STATE)
local created, nonce, provisional, store, tail, head, clock_us, now_us, turn_now_us, heal_until_us, credit,
  credit_rest, late_due, share_ppm, delay_us, aged_us, minute_us, minute, minute_before, listen_us, told_us,
  told_before_us, told_at_us, slice, slice_us, rate, active_max, mode, presence_us, turn_us, late_share_ppm,
  pass_idle_us, returns, line_max, revision, content, stock, entered, entries_seq, finished_seq, opening,
  guard_share_ppm, guard_recovery_us, held_back_ppm, guarded, stubs_n, stub_seq, heal_from_us, heal_live, heal_heard,
  gathers, gap_first, gap_last, issued_minute, issued_minute_before, opens_at, draw, closes_at, due,
  witnesses, opening_us, paced
if stored then
  -- What a release before this one did not know of is zero.
  if #stored < STATE_BYTES then stored = stored .. ('\0'):rep(STATE_BYTES - #stored) end
  created, nonce, provisional, store, tail, head, clock_us, now_us, turn_now_us, heal_until_us, credit,
  credit_rest, late_due, share_ppm, delay_us, aged_us, minute_us, minute, minute_before, listen_us, told_us,
  told_before_us, told_at_us, slice, slice_us, rate, active_max, mode, presence_us, turn_us, late_share_ppm,
  pass_idle_us, returns, line_max, revision, content, stock, entered, entries_seq, finished_seq, opening,
  guard_share_ppm, guard_recovery_us, held_back_ppm, guarded, stubs_n, stub_seq, heal_from_us, heal_live, heal_heard,
  gathers, gap_first, gap_last, issued_minute, issued_minute_before, opens_at, draw, closes_at, due,
  witnesses, opening_us, paced, KEYS.leased, KEYS.places, KEYS.counted_us =
    struct.unpack(STATE_FORMAT, stored)
  -- Nothing is agreed of an opening: its commitment is text.
  if opening:byte(COMMITMENT_AT) == 0 then opening = NO_OPENING end
else
  rate, active_max, mode, presence_us, turn_us, late_share_ppm, pass_idle_us, returns, line_max, guard_share_ppm,
    guard_recovery_us, opens_at, draw, closes_at, paced = DEFAULT_SETTINGS
  revision, content, stubs_n, KEYS.leased, KEYS.places, KEYS.counted_us = 0, NO_ID, 0, NO_LEASES, 0, 0
  call('UNLINK', STUBS)
end
if clock == 0 then
  local time = call('TIME')
  clock = time[1] * 1000000 + time[2]
end

-- What the line need not know and the script remembers, so that it asks for nothing that is not there (in capitals, for
-- due[1] and so on): the lowest score that each of some sets may have (NOTHING when it is empty, zero when that is not
-- known), the highest of CALLED, and whether ASKING_LATE is empty.
due = {struct.unpack(DUE_FORMAT, due or ('\0'):rep(DUE_BYTES))}
if CALLED_LAST == 0 then CALLED_LAST = turn_now_us end

-- The keys are touched when something begins or ends, so that what nobody uses any more goes away by itself.
local touch = leaving == 1
-- Some bound was reached: more is to be done at once.
local more = false

-- Every replica there is, and when it was last heard from.
local seen = call('ZRANGE', SEEN, 0, -1, 'WITHSCORES')

-- begin: a line without an epoch is founded; then line time advances; then a newer epoch than ours, while healing, or any, as
-- long as ours was only made for want of one, is adopted, which founds the line again.
local founding, elapsed_us = not created, 0
local was_healing = not founding and now_us < heal_until_us
for round = 1, 2 do
  -- Whether all replicas are to be waited for: 0 after a loss, 1 after a silence.
  local awaits, told = nil, 0
  if founding then
    -- found: with the epoch the replica knows, or a new one.
    store, clock_us = given_store, clock
    if known_created > 0 then
      created, nonce, provisional, now_us = known_created, known_nonce, 0, known_now_us
    else
      created, nonce, provisional, now_us = clock, given_nonce, 1, clock
    end
    tail, head, heal_until_us, credit, credit_rest, late_due = 0, 0, 0, 0, 0, 0
    minute, minute_before, told_us, told_before_us, told_at_us = 0, 0, 0, 0, 0
    stock, entered, entries_seq, finished_seq, stub_seq = 0, 0, 0, 0, 0
    heal_from_us, heal_live, heal_heard, gathers = 0, 0, 0, 0
    gap_first, gap_last, issued_minute, issued_minute_before, opening_us, KEYS.leased = 0, 0, 0, 0, 0, NO_LEASES
    share_ppm, delay_us, slice, KEYS.places, KEYS.counted_us = 1000000, DELAY_US, 1, 0, 0
    held_back_ppm, guarded, witnesses = 0, struct.pack('>I8I8I8I8I8', now_us, 0, 0, 0, 0), 0
    turn_now_us, aged_us, minute_us, slice_us, listen_us = now_us, now_us, now_us, now_us, now_us
    due = {NOTHING, NOTHING, NOTHING, NOTHING, NOTHING, NOTHING, now_us, 1}
    opening = opens_at == 0 and NO_OPENING or struct.pack(OPENING_FORMAT, opens_at, draw, 0, NO_COMMITMENT, 0)
    -- Whoever was heard from in another line is to be heard from again.
    if #seen > 0 then
      local again = {}
      for i = 1, #seen, 2 do
        seen[i + 1] = max(now_us - LIVE_US, 0)
        again[i], again[i + 1] = seen[i + 1], seen[i]
      end
      call('ZADD', SEEN, unpack(again))
    end
    if store == NO_ID and provisional == 1 then credit = ENTRY else awaits = 0 end
    call('UNLINK', unpack(KEYS, EPOCH_KEYS_FIRST))
    touch = true
  end
  if round == 1 then
    -- advance: by at most two seconds an exchange and never backwards.
    elapsed_us = max(clock - clock_us, 0)
    local silent = elapsed_us > STEP_US_MAX
    local unheard = silent or clock < clock_us
    if opening ~= NO_OPENING then
      -- foresee_opening
      local at_us = struct.unpack('>I8', opening)
      if clock_us < at_us and struct.unpack('>I8', opening, EARLY_AT) == 0 then
        opening_us = now_us + at_us - clock_us
      end
    end
    clock_us, elapsed_us = clock, min(elapsed_us, STEP_US_MAX)
    now_us = now_us + elapsed_us
    if unheard then listen_us = now_us end
    if mode == 0 and rate > 0 and now_us >= heal_until_us and held_back_ppm < ENTRY
      and (opening == NO_OPENING or struct.unpack('>I8', opening, EARLY_AT) > 0) then
      turn_now_us = turn_now_us + elapsed_us
    end
    if now_us - minute_us >= 60 * SECOND_US then
      minute_us = minute_us + 60 * SECOND_US
      minute_before, minute = minute, 0
      issued_minute_before, issued_minute = issued_minute, 0
    end
    if now_us - slice_us >= floor(max(presence_us, floor(max(told_us, told_before_us) * 5 / 2)) / 2) then
      slice_us, slice = now_us, slice + 1
      call('UNLINK', KEYS[PRESENT_FIRST + slice % 3])
      touch = true
    end
    if store ~= given_store then
      -- Another process answers; it may have lost writes.
      store, awaits, told = given_store, 0, now_us < heal_until_us and heal_live or 0
    elseif silent and store ~= NO_ID and was_healing then
      heal_until_us = now_us + HEAL_US
    elseif silent and store ~= NO_ID then
      awaits = 1
    end
  end
  if awaits then
    -- heal, gather: line time moves on, so that whoever was heard from before was so earlier.
    now_us = now_us + 1
    heal_from_us, heal_until_us, heal_live, heal_heard, gathers = now_us, now_us + HEAL_US, 0, 0, awaits
    for i = 2, #seen, 2 do
      if tonumber(seen[i]) > now_us - LIVE_US then heal_live = heal_live + 1 end
    end
    heal_live = max(heal_live, told)
    if awaits == 0 then credit, credit_rest, listen_us = 0, 0, now_us end
  end
  if round == 1 then
    founding = known_created > 0 and not (known_created == created and known_nonce == nonce)
      and (provisional == 1 or now_us < heal_until_us and gathers == 0
        and (known_created > created or known_created == created and known_nonce > nonce))
  end
end

-- raise_floors: what was answered or signed in exactly this epoch is never taken back.
local same = known_created == created and known_nonce == nonce
if same then
  tail, head = max(tail, known_tail, known_head), max(head, known_head)
  entries_seq, finished_seq = max(entries_seq, known_entries), max(finished_seq, known_finished)
  stub_seq = max(stub_seq, known_stubs)
  if now_us < heal_until_us and gathers == 0 and known_now_us > now_us then
    -- catch_up: line time was behind, and so was all that was noted of replicas.
    local behind_us, later = known_now_us - now_us, {}
    heal_from_us, heal_until_us = heal_from_us + behind_us, heal_until_us + behind_us
    now_us, listen_us = known_now_us, known_now_us
    for i = 1, #seen, 2 do
      seen[i + 1] = tonumber(seen[i + 1]) + behind_us
      later[i], later[i + 1] = seen[i + 1], seen[i]
    end
    if #later > 0 then call('ZADD', SEEN, unpack(later)) end
  end
  if known_opening ~= opening and known_opening ~= NO_OPENING then
    -- recall_opening: what the store has lost of it, and the first commitment told.
    local at_us, draws, after, commitment, early = struct.unpack(OPENING_FORMAT, opening)
    local known_at, known_draws, known_after, known_commitment, known_early =
      struct.unpack(OPENING_FORMAT, known_opening)
    if known_at > 0 and early == 0 then
      if known_early > 0 or (at_us == 0 and revision == 0) then
        opening = known_opening
        tail = max(tail, known_early - 1)
      elseif known_at == at_us and known_draws == draws then
        if commitment == NO_COMMITMENT then commitment = known_commitment end
        opening = struct.pack(OPENING_FORMAT, at_us, draws, min(after, known_after), commitment, 0)
      end
    end
  end
else
  -- A ticket means nothing in another epoch: of such an exchange only the newcomers are looked at.
  heard_n, asks_n, checks_n, more_n, finishes_n, unasks_n, renewals_n = 0, 0, 0, 0, 0, 0, 0
  known_turns, known_entries, known_finished, known_stubs = 0, 0, 0, 0
end

-- note_report: healing ends once all who were live have been heard from twice (the first exchange may be a repeated one
-- from before), or when it has taken too long; then, if somebody may know of numbers that the store has lost, the
-- numbers that it may have been told of are left out.
local heard_us
if was_healing or now_us < heal_until_us then
  local live_us, is_first, oldest = max(heal_from_us - LIVE_US, 0), true, nil
  for i = 1, #seen, 2 do
    local at_us = tonumber(seen[i + 1])
    if seen[i] == instance then
      is_first = at_us < heal_from_us
    elseif at_us > live_us and (not oldest or at_us < oldest) then
      oldest = at_us
    end
  end
  if is_first and same then heal_heard, heal_live = heal_heard + 1, max(heal_live, known_instances) end
  local misses = oldest and oldest < heal_from_us or heal_heard < heal_live
  local awaits = oldest and (oldest <= heal_from_us or is_first)
  if now_us < heal_until_us then
    local is_done = not awaits
    if gathers == 0 then
      is_done = heal_live > 0 and not misses and not awaits and heal_until_us - now_us <= HEAL_US - HEAL_MIN_US
    end
    if is_done then heal_until_us = now_us end
  elseif misses and gathers == 0 then
    if gap_last ~= tail or gap_first == 0 then gap_first = tail + 1 end
    local unseen = heal_live >= INSTANCES_UNKNOWN and floor(tail / 4) or 0
    tail = min(tail + max(issued_minute + issued_minute_before, GAP_MIN, unseen), NUMBER_MAX)
    gap_last = tail
  end
  if is_first and now_us < heal_until_us then heard_us, more = heal_from_us, true end
end
local healing = now_us < heal_until_us
if not healing and (tail > 0 or store == NO_ID or mode > 1) then provisional = 0 end

-- listen: absence of a visitor counts only while all replicas are heard from.
if now_us - told_at_us > max(presence_us, floor(max(told_us, told_before_us) * 5 / 2)) then
  told_before_us, told_us, told_at_us = told_us, 0, now_us
end
told_us = max(told_us, told)
local window_us = max(presence_us, floor(max(told_us, told_before_us) * 5 / 2))
local live = 0
do
  local rows = seen
  local silent, heard, is_new, gone = 0, 0, true, nil
  local left_us, missing_us, live_us = max(now_us - window_us, 0), max(now_us - MISSING_US, 0), max(now_us - LIVE_US, 0)
  local forget_us = max(now_us - FORGET_US, 0)
  -- One that leaves is not waited for, but its last answer is kept, in case it gets lost.
  local at_us = leaving == 1 and min(left_us, max(now_us - 2 * LIVE_US, 0)) or heard_us or now_us
  for i = 1, #rows, 2 do
    local score = tonumber(rows[i + 1])
    local own = rows[i] == instance
    if own then is_new = score < missing_us end
    if score <= forget_us and (not gone or #gone < EXPIRED_MAX) then
      gone = gone or {}
      gone[#gone + 1] = rows[i]
    elseif not own then
      if score > left_us then silent = silent + 1 end
      if score > missing_us then heard = heard + 1 end
      if score > live_us then live = live + 1 end
    end
  end
  if at_us > left_us then silent = silent + 1 end
  if at_us > missing_us then heard = heard + 1 end
  if at_us > live_us then live = live + 1 end
  if gone then
    call('ZREM', SEEN, unpack(gone))
    call('HDEL', ANSWERED, unpack(gone))
    call('ZREM', STUB_MARKS, unpack(gone))
  end
  call('ZADD', SEEN, format('%d', at_us), instance)
  if is_new or silent > heard then listen_us = now_us end
end
