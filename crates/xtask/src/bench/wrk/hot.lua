-- Asks for the same again and again: wrk's own request.

function done(summary)
    local errors = summary.errors
    local failed = errors.connect + errors.read + errors.write + errors.status + errors.timeout
    print("result", summary.requests / summary.duration * 1e6, failed)
end
