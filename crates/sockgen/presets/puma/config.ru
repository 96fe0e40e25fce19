# What users ask is answered here, as any Rack application does; sockact.toml says how it is deployed.

# Which release this is: the build writes the file. One without it is not whole, and is not well.
version = File.exist?("VERSION") ? File.read("VERSION").strip : ""

run lambda { |env|
  if env["PATH_INFO"] == "/health" && version.empty?
    [503, { "content-type" => "text/plain" }, ["this release has no file VERSION"]]
  else
    [200, { "content-type" => "text/plain" }, [version.empty? ? "unknown" : version]]
  end
}
