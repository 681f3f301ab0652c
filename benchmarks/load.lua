-- Requests of a file in turn, a body a line, for wrk: arguments are the content type, the custom
-- attributes and the file. Prints its figures as one line of JSON.
local bodies, place = {}, 0

function init(args)
  local headers = { ["Content-Type"] = args[1] }
  if args[2] ~= "" then
    headers["X-Amzn-SageMaker-Custom-Attributes"] = args[2]
  end
  for line in io.lines(args[3]) do
    -- A line's \n stand for the breaks of a body of several.
    local body = line:gsub("\\n", "\n")
    bodies[#bodies + 1] = wrk.format("POST", "/invocations", headers, body)
  end
end

function request()
  place = place % #bodies + 1
  return bodies[place]
end

function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    '{"requests": %d, "seconds": %f, "p50": %f, "p99": %f, "errors": %d}\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50), latency:percentile(99),
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
