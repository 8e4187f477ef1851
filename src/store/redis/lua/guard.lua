
-- guard: takes in how the origin did, and judges it when it is time; `guarded` has when it last did so, when it last cut
-- the pace, and what it was told since.
do
  local judged_us, cut_us, answered, failed, slow = struct.unpack('>I8I8I8I8I8', guarded)
  if guard_share_ppm == 0 then
    held_back_ppm, judged_us, answered, failed, slow, witnesses = 0, now_us, 0, 0, 0, 0
  else
    if given_health ~= NO_HEALTH or given_witnesses > 0 then
      local more_answered, more_failed, more_slow = struct.unpack('>I8I8I8', given_health)
      answered = min(answered + more_answered, GUARD_COUNT_MAX)
      failed = min(failed + more_failed, GUARD_COUNT_MAX)
      slow = min(slow + more_slow, GUARD_COUNT_MAX)
      -- The script's bit operations are of 32 bits.
      local half = 2 ^ 24
      witnesses = bit.bor(floor(witnesses / half), floor(given_witnesses / half)) * half
        + bit.bor(witnesses % half, given_witnesses % half)
    end
    local since_us, seen = now_us - judged_us, answered + failed
    local window_us = min(max(floor(GUARD_WINDOW_US_HOURS / max(rate, 1)), GUARD_WINDOW_US_MIN), GUARD_WINDOW_US_MAX)
    if since_us >= SECOND_US and (seen >= GUARD_SAMPLE or since_us >= window_us) then
      local is_bad = seen > 0 and (failed + slow) * ENTRY >= seen * guard_share_ppm
      -- is_witnessed
      local missing, rest = min(GUARD_WITNESSES, active_max), witnesses
      while is_bad and missing > 0 and rest > 0 do missing, rest = missing - rest % 2, floor(rest / 2) end
      judged_us = now_us
      if is_bad and seen >= GUARD_EVIDENCE and missing <= 0 then
        -- cut
        if answered == 0 or now_us >= cut_us + GUARD_SETTLE_US then
          local left = answered > 0 and floor((ENTRY - held_back_ppm) / 2) or 0
          held_back_ppm = left < GUARD_LEAST_PPM and ENTRY or ENTRY - left
          cut_us = now_us
        end
        answered, failed, slow, witnesses = 0, 0, 0, 0
      elseif not (is_bad and failed + slow == seen) then
        local back = floor(min(since_us, guard_recovery_us) * ENTRY / guard_recovery_us)
        held_back_ppm = max(held_back_ppm - back, 0)
        answered, failed, slow, witnesses = 0, 0, 0, 0
      end
    end
  end
  guarded = struct.pack('>I8I8I8I8I8', judged_us, cut_us, answered, failed, slow)
  -- pace_per_hour
  pace = rate
  if held_back_ppm > 0 then
    pace = max(floor(rate * (ENTRY - held_back_ppm) / ENTRY), min(floor((rate + 3) / 4), PROBE_PER_HOUR))
  end
  pace = max(pace - due.withheld, 0)
  credit = min(credit, max(floor(pace * ENTRY / 3600), ENTRY))
end
