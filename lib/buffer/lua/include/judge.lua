--- @include "../../../redis/lua/include/checks"
--- @include "record"

-- Judges the steps of a transaction (judged-steps.ts) by the rows that the site knows. Each step is judged by the rows as the
-- steps before it leave them. A step on an unknown row is never refused, since the site may have lost the row: main judges it.

-- Checks the arguments. Call it before the first write.
local function must_be_steps(steps, place, count)
  must(type(steps) == 'table', 'steps')
  for _, step in ipairs(steps) do
    must_have('string', step, 'kind', 'row')
    must_have('table', step, 'values')
    must(step.at == nil or is_number(step.at) and step.at >= 1 and step.at <= count, 'at')
    must(type(step.allowed or {}) == 'table' and (step.text == nil or is_text(step.text)), 'step')
    for _, allowed in pairs(step.allowed or {}) do must_be_texts(allowed, 'allowed') end
    must_be_texts(step.values, 'values')
    must_be_texts(step.given, 'given')
    must_be_texts(step.former, 'former')
    must_be_texts(step.in_order, 'in_order')
    must_be_texts(step.replaced, 'replaced')
  end
  if place ~= nil then must_have('number', place, 'obs_unit_id', 'start_ms') end
end

-- The row after a step. `text`: the row as the answer shows it, unless the step has its own text.
local function after_step(row, step, id, text)
  if step.kind == 'delete' then return {values = {}} end
  local values = {}
  for column, value in pairs(row.values) do values[column] = value end
  if step.kind == 'update' and not step.is_tracked then
    -- only main knows these values now
    for _, column in ipairs(step.replaced or {}) do values[column] = nil end
    return {by = row.by, base = row.base, values = values, changed_by = row.changed_by, patch = row.patch}
  end
  local is_change = step.kind == 'update' or step.kind == 'put' and row.base ~= nil
  if step.is_own and is_change then values.metadata = nil end
  -- a change that was accepted before the creation keeps its values
  local is_earlier = step.kind == 'create' and row.patch ~= nil
  for column, value in pairs(step.values) do
    if not (is_earlier and values[column]) then values[column] = value end
  end
  local after = {by = row.by, base = row.base, values = values, changed_by = row.changed_by, patch = row.patch}
  if is_change then after.changed_by, after.patch = id, step.text or text
  else after.by, after.base = row.by or id, row.base or step.text or text end
  return after
end

-- The first column with a known value that is not allowed.
local function unmet_column(row, step)
  for column, allowed in pairs(step.allowed or {}) do
    local known, is_allowed = row.values[column], false
    for _, each in ipairs(allowed) do is_allowed = is_allowed or known == each end
    if known and not is_allowed then return column end
  end
end

local function is_repeat(row, step)
  for _, column in ipairs(step.given or {}) do
    local known = row.values[column]
    local is_same = known == step.values[column] or row.has_former_texts and known ~= nil and known == (step.former or {})[column]
    if not is_same then return false end
  end
  return step.given ~= nil
end

-- Returns a verdict and the rows after the steps, by id. Each aggregate has what the site knows of it (`known`). Fields of a verdict:
--   is        `met`, `repeated` (with `row`), `taken`, `refused` or `out_of_order` (with `value`)
--   base      the known row that the steps change, or false
--   is_known  whether every changed row is known
local function judge(aggregates, steps, id, text)
  local rows, made, was_saved = {}, {}, {}
  local verdict = {is = 'met', is_known = true, base = false}
  local function judged(is, value, row)
    verdict.is, verdict.value, verdict.row = is, unquoted(value), row
    return verdict, rows
  end
  for _, step in ipairs(steps) do
    local row = rows[step.row]
    if not row then
      row = step.is_own and aggregates[step.at or 1].known.own or read_row(aggregates, step)
      -- an interrupted run of this script has already saved the change
      was_saved[step.row] = row.changed_by == id
    end
    if step.kind == 'create' then
      if row.base and row.by ~= id then return judged('taken') end
      made[step.row] = true
    elseif step.kind == 'update' and not made[step.row] then
      verdict.is_known = verdict.is_known and row.base ~= nil
      verdict.base = verdict.base or row.base or false
      if not was_saved[step.row] then
        local column = unmet_column(row, step)
        if column then
          if is_repeat(row, step) then return judged('repeated', nil, row) end
          return judged('refused', row.values[column])
        end
      end
      if step.in_order then
        local began, ended = row.values[step.in_order[1]], step.values[step.in_order[2]]
        if began and ended and #began == 29 and #ended == 29 and ended < began then
          return judged('out_of_order', began)
        end
      end
    end
    rows[step.row] = after_step(row, step, id, text)
  end
  return verdict, rows
end

-- Saves the rows, so that later transactions are judged by them.
local function save_rows(aggregates, steps, rows)
  for _, step in ipairs(steps) do
    local row = rows[step.row]
    if step.is_tracked or step.kind ~= 'update' or row.patch then write_row(aggregates, row, step) end
  end
end
