"""What answers over HTTP: webhooks, and whatever else is to be seen in a browser. Each group of
pages is a module with its routes, which `tidemill.web.application` puts together."""
