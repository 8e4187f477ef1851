
-- accrue: credit fills for the time that passed, at the pace that was in force.
local pace = rate
if held_back_ppm > 0 then
  pace = max(floor(rate * (ENTRY - held_back_ppm) / ENTRY), min(floor((rate + 3) / 4), PROBE_PER_HOUR))
end
if mode == 0 and not healing and (paced == 0 or elapsed_us < STEP_US_MAX)
  and (opening == NO_OPENING or struct.unpack('>I8', opening, EARLY_AT) > 0) then
  local filled = elapsed_us * max(pace - unearned, 0) + credit_rest
  local credit_max = max(floor(max(pace - withheld, 0) * ENTRY / 3600), ENTRY)
  credit, credit_rest = credit + floor(filled / 3600), filled % 3600
  if credit >= credit_max then credit, credit_rest = credit_max, 0 end
end

-- guard: takes in how the origin did, and judges it when it is time; `guarded` has when it last did so, when it last cut
-- the pace, and what it was told since.
do
  local judged_us, cut_us, answered, failed, slow = struct.unpack('>I8I8I8I8I8', guarded)
  if guard_share_ppm == 0 then
    held_back_ppm, judged_us, answered, failed, slow = 0, now_us, 0, 0, 0
  else
    if given_health ~= NO_HEALTH then
      local more_answered, more_failed, more_slow = struct.unpack('>I8I8I8', given_health)
      answered = min(answered + more_answered, GUARD_COUNT_MAX)
      failed = min(failed + more_failed, GUARD_COUNT_MAX)
      slow = min(slow + more_slow, GUARD_COUNT_MAX)
    end
    local since_us, seen = now_us - judged_us, answered + failed
    local window_us = min(max(floor(GUARD_WINDOW_US_HOURS / max(rate, 1)), GUARD_WINDOW_US_MIN), GUARD_WINDOW_US_MAX)
    if since_us >= SECOND_US and (seen >= GUARD_SAMPLE or since_us >= window_us) then
      if seen == 0 or (failed + slow) * ENTRY < seen * guard_share_ppm then
        local back = floor(min(since_us, guard_recovery_us) * ENTRY / guard_recovery_us)
        held_back_ppm = max(held_back_ppm - back, 0)
      elseif seen >= GUARD_EVIDENCE and (answered == 0 or now_us >= cut_us + GUARD_SETTLE_US) then
        -- cut
        local left = answered > 0 and floor((ENTRY - held_back_ppm) / 2) or 0
        held_back_ppm = left < GUARD_LEAST_PPM and ENTRY or ENTRY - left
        cut_us = now_us
      end
      judged_us, answered, failed, slow = now_us, 0, 0, 0
    end
  end
  guarded = struct.pack('>I8I8I8I8I8', judged_us, cut_us, answered, failed, slow)
  -- pace_per_hour
  pace = rate
  if held_back_ppm > 0 then
    pace = max(floor(rate * (ENTRY - held_back_ppm) / ENTRY), min(floor((rate + 3) / 4), PROBE_PER_HOUR))
  end
  pace = max(pace - withheld, 0)
  credit = min(credit, max(floor(pace * ENTRY / 3600), ENTRY))
end
