CREATE TABLE alert_deliveries (
	id VARCHAR(64) NOT NULL, 
	endpoint VARCHAR(255) NOT NULL, 
	channel VARCHAR(64) NOT NULL, 
	"key" VARCHAR(64) NOT NULL, 
	payload TEXT NOT NULL, 
	state VARCHAR(16) NOT NULL, 
	attempts INTEGER NOT NULL, 
	due BIGINT, 
	status INTEGER, 
	error TEXT, 
	created BIGINT NOT NULL, 
	updated BIGINT NOT NULL, 
	CONSTRAINT pk_alert_deliveries PRIMARY KEY (id)
);
CREATE TABLE alert_incidents (
	id VARCHAR(64) NOT NULL, 
	endpoint VARCHAR(255) NOT NULL, 
	kind VARCHAR(32) NOT NULL, 
	feature VARCHAR(255), 
	segment TEXT, 
	severity VARCHAR(16) NOT NULL, 
	summary TEXT NOT NULL, 
	since BIGINT NOT NULL, 
	last BIGINT NOT NULL, 
	windows INTEGER NOT NULL, 
	state VARCHAR(16) NOT NULL, 
	told TEXT NOT NULL, 
	settled BOOLEAN NOT NULL, 
	opened BIGINT NOT NULL, 
	resolved BIGINT, 
	CONSTRAINT pk_alert_incidents PRIMARY KEY (id)
);
CREATE TABLE alert_silences (
	id VARCHAR(36) NOT NULL, 
	endpoint VARCHAR(255) NOT NULL, 
	kind VARCHAR(32) NOT NULL, 
	feature VARCHAR(255) NOT NULL, 
	until BIGINT NOT NULL, 
	actor VARCHAR(255) NOT NULL, 
	comment TEXT NOT NULL, 
	created BIGINT NOT NULL, 
	ended BIGINT, 
	CONSTRAINT pk_alert_silences PRIMARY KEY (id)
);
CREATE TABLE alerts (
	id VARCHAR(64) NOT NULL, 
	endpoint VARCHAR(255) NOT NULL, 
	window BIGINT NOT NULL, 
	kind VARCHAR(32) NOT NULL, 
	severity VARCHAR(16) NOT NULL, 
	feature VARCHAR(255), 
	summary TEXT NOT NULL, 
	evidence TEXT NOT NULL, 
	cycle VARCHAR(64), 
	at BIGINT NOT NULL, incident VARCHAR(64), 
	CONSTRAINT pk_alerts PRIMARY KEY (id)
);
CREATE TABLE artifact_parts (
	upload VARCHAR(32) NOT NULL, 
	part INTEGER NOT NULL, 
	digest VARCHAR(64) NOT NULL, 
	size BIGINT NOT NULL, 
	CONSTRAINT pk_artifact_parts PRIMARY KEY (upload, part), 
	CONSTRAINT fk_artifact_parts_upload FOREIGN KEY(upload) REFERENCES artifact_uploads (id)
);
CREATE TABLE artifact_uploads (
	id VARCHAR(32) NOT NULL, 
	path VARCHAR(1800) NOT NULL, 
	created BIGINT NOT NULL, 
	CONSTRAINT pk_artifact_uploads PRIMARY KEY (id)
);
CREATE TABLE artifacts (
	folder VARCHAR(1500) NOT NULL, 
	name VARCHAR(255) NOT NULL, 
	digest VARCHAR(64), 
	size BIGINT, 
	updated BIGINT NOT NULL, 
	CONSTRAINT pk_artifacts PRIMARY KEY (folder, name)
);
CREATE TABLE cycle_steps (
	cycle VARCHAR(64) NOT NULL, 
	step VARCHAR(32) NOT NULL, 
	position INTEGER NOT NULL, 
	state VARCHAR(16) NOT NULL, 
	attempts INTEGER NOT NULL, 
	started BIGINT NOT NULL, 
	finished BIGINT, 
	result TEXT, 
	error TEXT, failures INTEGER DEFAULT '0' NOT NULL, due BIGINT, 
	CONSTRAINT pk_cycle_steps PRIMARY KEY (cycle, step), 
	CONSTRAINT fk_cycle_steps_cycle FOREIGN KEY(cycle) REFERENCES cycles (id)
);
CREATE TABLE cycle_words (
	seq INTEGER NOT NULL, 
	cycle VARCHAR(64) NOT NULL, 
	at BIGINT NOT NULL, 
	actor VARCHAR(255) NOT NULL, 
	person VARCHAR(255) NOT NULL, 
	kind VARCHAR(16) NOT NULL, 
	roles TEXT NOT NULL, 
	comment TEXT NOT NULL, 
	CONSTRAINT pk_cycle_words PRIMARY KEY (seq), 
	CONSTRAINT fk_cycle_words_cycle FOREIGN KEY(cycle) REFERENCES cycles (id)
);
CREATE TABLE cycles (
	id VARCHAR(64) NOT NULL, 
	loop VARCHAR(255) NOT NULL, 
	number INTEGER NOT NULL, 
	state VARCHAR(16) NOT NULL, 
	verdict VARCHAR(32), 
	reason TEXT, 
	cause TEXT NOT NULL, 
	"plan" TEXT NOT NULL, 
	evidence TEXT, 
	version INTEGER, 
	started BIGINT NOT NULL, 
	finished BIGINT, realised TEXT, 
	CONSTRAINT pk_cycles PRIMARY KEY (id), 
	CONSTRAINT fk_cycles_loop FOREIGN KEY(loop) REFERENCES loops (name), 
	CONSTRAINT uq_cycles_loop_number UNIQUE (loop, number)
);
CREATE TABLE datasets (
	digest VARCHAR(64) NOT NULL, 
	name VARCHAR(255) NOT NULL, 
	rows BIGINT NOT NULL, 
	schema TEXT NOT NULL, 
	statistics TEXT NOT NULL, 
	origin TEXT NOT NULL, 
	created BIGINT NOT NULL, 
	CONSTRAINT pk_datasets PRIMARY KEY (digest)
);
CREATE TABLE decisions (
	cycle VARCHAR(64) NOT NULL, 
	rule TEXT NOT NULL, 
	asked BIGINT NOT NULL, 
	due BIGINT, 
	reminders INTEGER NOT NULL, 
	ended BIGINT, 
	outcome VARCHAR(16), 
	record TEXT, 
	signature VARCHAR(255), 
	CONSTRAINT pk_decisions PRIMARY KEY (cycle), 
	CONSTRAINT fk_decisions_cycle FOREIGN KEY(cycle) REFERENCES cycles (id)
);
CREATE TABLE endpoints (
	name VARCHAR(255) NOT NULL, 
	model VARCHAR(255) NOT NULL, 
	rollout TEXT NOT NULL, 
	revision BIGINT NOT NULL, 
	updated BIGINT NOT NULL, 
	CONSTRAINT pk_endpoints PRIMARY KEY (name)
);
CREATE TABLE event_head (
	id INTEGER NOT NULL, 
	seq BIGINT NOT NULL, 
	hash VARCHAR(64) NOT NULL, 
	signature VARCHAR(128) NOT NULL, 
	CONSTRAINT pk_event_head PRIMARY KEY (id)
);
CREATE TABLE events (
	seq BIGINT NOT NULL, 
	at BIGINT NOT NULL, 
	actor VARCHAR(255) NOT NULL, 
	kind VARCHAR(64) NOT NULL, 
	subject VARCHAR(512) NOT NULL, 
	payload TEXT NOT NULL, 
	previous VARCHAR(64) NOT NULL, 
	hash VARCHAR(64) NOT NULL, 
	CONSTRAINT pk_events PRIMARY KEY (seq)
);
CREATE TABLE everloop_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT everloop_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "everloop_version" VALUES('0017');
CREATE TABLE experiment_tags (
	experiment INTEGER NOT NULL, 
	"key" VARCHAR(255) NOT NULL, 
	value TEXT NOT NULL, 
	CONSTRAINT pk_experiment_tags PRIMARY KEY (experiment, "key"), 
	CONSTRAINT fk_experiment_tags_experiment FOREIGN KEY(experiment) REFERENCES experiments (id)
);
CREATE TABLE experiments (
	id INTEGER NOT NULL, 
	name VARCHAR(500) NOT NULL, 
	location TEXT, 
	created BIGINT NOT NULL, 
	updated BIGINT NOT NULL, 
	deleted BIGINT, 
	CONSTRAINT pk_experiments PRIMARY KEY (id), 
	CONSTRAINT uq_experiments_name UNIQUE (name)
);
INSERT INTO "experiments" VALUES(0,'Default',NULL,CAST(ROUND((julianday('now') - 2440587.5) * 86400000) AS INTEGER),CAST(ROUND((julianday('now') - 2440587.5) * 86400000) AS INTEGER),NULL);
CREATE TABLE health_windows (
	endpoint VARCHAR(255) NOT NULL, 
	start BIGINT NOT NULL, 
	"end" BIGINT NOT NULL, 
	counts TEXT NOT NULL, 
	found TEXT NOT NULL, 
	CONSTRAINT pk_health_windows PRIMARY KEY (endpoint, start)
);
CREATE TABLE leases (
	name VARCHAR(320) NOT NULL, 
	holder VARCHAR(255) NOT NULL, 
	token BIGINT NOT NULL, 
	until BIGINT NOT NULL, 
	lasts BIGINT NOT NULL, 
	CONSTRAINT pk_leases PRIMARY KEY (name)
);
CREATE TABLE log_halves (
	endpoint VARCHAR(255) NOT NULL, 
	request VARCHAR(255) NOT NULL, 
	half VARCHAR(16) NOT NULL, 
	created BIGINT NOT NULL, 
	data BLOB NOT NULL, 
	CONSTRAINT pk_log_halves PRIMARY KEY (endpoint, request, half)
);
CREATE TABLE log_marks (
	endpoint VARCHAR(255) NOT NULL, 
	name VARCHAR(32) NOT NULL, 
	state TEXT NOT NULL, 
	updated BIGINT NOT NULL, 
	CONSTRAINT pk_log_marks PRIMARY KEY (endpoint, name)
);
CREATE TABLE log_offsets (
	segment VARCHAR(512) NOT NULL, 
	"offset" BIGINT NOT NULL, 
	updated BIGINT NOT NULL, 
	CONSTRAINT pk_log_offsets PRIMARY KEY (segment)
);
CREATE TABLE log_parts (
	endpoint VARCHAR(255) NOT NULL, 
	kind VARCHAR(16) NOT NULL, 
	part BIGINT NOT NULL, 
	digest VARCHAR(64) NOT NULL, 
	rows BIGINT NOT NULL, 
	first BIGINT NOT NULL, 
	last BIGINT NOT NULL, 
	created BIGINT NOT NULL, 
	CONSTRAINT pk_log_parts PRIMARY KEY (endpoint, kind, part)
);
CREATE TABLE logged_model_metrics (
	model VARCHAR(64) NOT NULL, 
	"key" VARCHAR(255) NOT NULL, 
	at BIGINT NOT NULL, 
	step BIGINT NOT NULL, 
	run VARCHAR(32) NOT NULL, 
	value FLOAT NOT NULL, 
	nan BOOLEAN NOT NULL, 
	dataset_name VARCHAR(500), 
	dataset_digest VARCHAR(36), 
	CONSTRAINT pk_logged_model_metrics PRIMARY KEY (model, "key", at, step, run), 
	CONSTRAINT fk_logged_model_metrics_model FOREIGN KEY(model) REFERENCES logged_models (id)
);
CREATE TABLE logged_model_params (
	model VARCHAR(64) NOT NULL, 
	"key" VARCHAR(255) NOT NULL, 
	value TEXT NOT NULL, 
	CONSTRAINT pk_logged_model_params PRIMARY KEY (model, "key"), 
	CONSTRAINT fk_logged_model_params_model FOREIGN KEY(model) REFERENCES logged_models (id)
);
CREATE TABLE logged_model_tags (
	model VARCHAR(64) NOT NULL, 
	"key" VARCHAR(255) NOT NULL, 
	value TEXT NOT NULL, 
	CONSTRAINT pk_logged_model_tags PRIMARY KEY (model, "key"), 
	CONSTRAINT fk_logged_model_tags_model FOREIGN KEY(model) REFERENCES logged_models (id)
);
CREATE TABLE logged_models (
	id VARCHAR(64) NOT NULL, 
	experiment INTEGER NOT NULL, 
	run VARCHAR(32), 
	name VARCHAR(500) NOT NULL, 
	type VARCHAR(500), 
	status VARCHAR(16) NOT NULL, 
	message TEXT, 
	location TEXT NOT NULL, 
	created BIGINT NOT NULL, 
	updated BIGINT NOT NULL, 
	deleted BIGINT, 
	CONSTRAINT pk_logged_models PRIMARY KEY (id), 
	CONSTRAINT fk_logged_models_experiment FOREIGN KEY(experiment) REFERENCES experiments (id)
);
CREATE TABLE loop_pauses (
	loop VARCHAR(255) NOT NULL, 
	actor VARCHAR(255) NOT NULL, 
	since BIGINT NOT NULL, 
	reason TEXT NOT NULL, 
	CONSTRAINT pk_loop_pauses PRIMARY KEY (loop)
);
CREATE TABLE loops (
	name VARCHAR(255) NOT NULL, 
	declaration TEXT NOT NULL, 
	created BIGINT NOT NULL, 
	updated BIGINT NOT NULL, 
	CONSTRAINT pk_loops PRIMARY KEY (name)
);
CREATE TABLE metric_points (
	run BIGINT NOT NULL, 
	"key" VARCHAR(255) NOT NULL, 
	at BIGINT NOT NULL, 
	step BIGINT NOT NULL, 
	value FLOAT NOT NULL, 
	nan BOOLEAN NOT NULL, 
	CONSTRAINT pk_metric_points PRIMARY KEY (run, "key", at, step, value, nan), 
	CONSTRAINT fk_metric_points_run FOREIGN KEY(run) REFERENCES runs (number)
)
 WITHOUT ROWID

;
CREATE TABLE model_aliases (
	model VARCHAR(256) NOT NULL, 
	alias VARCHAR(255) NOT NULL, 
	version INTEGER NOT NULL, 
	updated BIGINT NOT NULL, 
	CONSTRAINT pk_model_aliases PRIMARY KEY (model, alias), 
	CONSTRAINT fk_model_aliases_model_version FOREIGN KEY(model, version) REFERENCES model_versions (model, version)
);
CREATE TABLE model_tags (
	model VARCHAR(256) NOT NULL, 
	"key" VARCHAR(255) NOT NULL, 
	value TEXT NOT NULL, 
	CONSTRAINT pk_model_tags PRIMARY KEY (model, "key"), 
	CONSTRAINT fk_model_tags_model FOREIGN KEY(model) REFERENCES models (name)
);
CREATE TABLE model_version_tags (
	model VARCHAR(256) NOT NULL, 
	version INTEGER NOT NULL, 
	"key" VARCHAR(255) NOT NULL, 
	value TEXT NOT NULL, 
	CONSTRAINT pk_model_version_tags PRIMARY KEY (model, version, "key"), 
	CONSTRAINT fk_model_version_tags_model_version FOREIGN KEY(model, version) REFERENCES model_versions (model, version)
);
CREATE TABLE model_versions (
	model VARCHAR(256) NOT NULL, 
	version INTEGER NOT NULL, 
	"key" VARCHAR(255) NOT NULL, 
	digest VARCHAR(64), 
	algorithm VARCHAR(255), 
	run VARCHAR(32), 
	dataset VARCHAR(64), 
	cycle VARCHAR(64), 
	metrics TEXT NOT NULL, 
	files TEXT NOT NULL, 
	description TEXT, 
	user VARCHAR(256), 
	stage VARCHAR(16) NOT NULL, 
	status VARCHAR(24) NOT NULL, 
	status_message TEXT, 
	source TEXT, 
	location TEXT, 
	run_link TEXT, 
	logged_model VARCHAR(64), 
	created BIGINT NOT NULL, 
	updated BIGINT NOT NULL, 
	CONSTRAINT pk_model_versions PRIMARY KEY (model, version), 
	CONSTRAINT fk_model_versions_model FOREIGN KEY(model) REFERENCES models (name), 
	CONSTRAINT uq_model_versions_model_key UNIQUE (model, "key")
);
CREATE TABLE models (
	name VARCHAR(256) NOT NULL, 
	description TEXT, 
	last INTEGER NOT NULL, 
	created BIGINT NOT NULL, 
	updated BIGINT NOT NULL, 
	CONSTRAINT pk_models PRIMARY KEY (name)
);
CREATE TABLE moves (
	id VARCHAR(32) NOT NULL, 
	kind VARCHAR(8) NOT NULL, 
	address TEXT NOT NULL, 
	options TEXT NOT NULL, 
	state VARCHAR(16) NOT NULL, 
	attempts INTEGER NOT NULL, 
	due BIGINT, 
	progress TEXT NOT NULL, 
	report TEXT, 
	error TEXT, 
	actor VARCHAR(255) NOT NULL, 
	created BIGINT NOT NULL, 
	updated BIGINT NOT NULL, 
	CONSTRAINT pk_moves PRIMARY KEY (id)
);
CREATE TABLE people (
	name VARCHAR(64) NOT NULL, 
	token_sha256 VARCHAR(64) NOT NULL, 
	roles TEXT NOT NULL, 
	may VARCHAR(8) NOT NULL, 
	created BIGINT NOT NULL, 
	actor VARCHAR(255) NOT NULL, used BIGINT, 
	CONSTRAINT pk_people PRIMARY KEY (name), 
	CONSTRAINT uq_people_token_sha256 UNIQUE (token_sha256)
);
CREATE TABLE rollouts (
	id VARCHAR(32) NOT NULL, 
	cycle VARCHAR(64) NOT NULL, 
	endpoint VARCHAR(255) NOT NULL, 
	model VARCHAR(255) NOT NULL, 
	spec TEXT NOT NULL, 
	champion INTEGER NOT NULL, 
	versions TEXT NOT NULL, 
	stage INTEGER NOT NULL, 
	state VARCHAR(16) NOT NULL, 
	wish TEXT, 
	evidence TEXT NOT NULL, 
	reason TEXT, 
	actor VARCHAR(255) NOT NULL, 
	began BIGINT NOT NULL, 
	stage_began BIGINT NOT NULL, 
	updated BIGINT NOT NULL, 
	CONSTRAINT pk_rollouts PRIMARY KEY (id), 
	CONSTRAINT uq_rollouts_cycle UNIQUE (cycle)
);
CREATE TABLE run_clients (
	client VARCHAR(32) NOT NULL, 
	sequence BIGINT NOT NULL, 
	updated BIGINT NOT NULL, 
	CONSTRAINT pk_run_clients PRIMARY KEY (client)
);
CREATE TABLE run_datasets (
	id INTEGER NOT NULL, 
	experiment INTEGER NOT NULL, 
	name VARCHAR(500) NOT NULL, 
	digest VARCHAR(36) NOT NULL, 
	source_type VARCHAR(36) NOT NULL, 
	source TEXT NOT NULL, 
	schema TEXT, 
	profile TEXT, 
	CONSTRAINT pk_run_datasets PRIMARY KEY (id), 
	CONSTRAINT fk_run_datasets_experiment FOREIGN KEY(experiment) REFERENCES experiments (id), 
	CONSTRAINT uq_run_datasets_experiment_name_digest UNIQUE (experiment, name, digest)
);
CREATE TABLE run_inputs (
	run BIGINT NOT NULL, 
	dataset INTEGER NOT NULL, 
	tags TEXT NOT NULL, 
	CONSTRAINT pk_run_inputs PRIMARY KEY (run, dataset), 
	CONSTRAINT fk_run_inputs_dataset FOREIGN KEY(dataset) REFERENCES run_datasets (id), 
	CONSTRAINT fk_run_inputs_run FOREIGN KEY(run) REFERENCES runs (number)
);
CREATE TABLE run_metrics (
	run BIGINT NOT NULL, 
	"key" VARCHAR(255) NOT NULL, 
	step BIGINT NOT NULL, 
	at BIGINT NOT NULL, 
	value FLOAT NOT NULL, 
	nan BOOLEAN NOT NULL, 
	experiment INTEGER NOT NULL, 
	CONSTRAINT pk_run_metrics PRIMARY KEY (run, "key"), 
	CONSTRAINT fk_run_metrics_run FOREIGN KEY(run) REFERENCES runs (number)
)
 WITHOUT ROWID

;
CREATE TABLE run_models (
	run BIGINT NOT NULL, 
	kind VARCHAR(8) NOT NULL, 
	model VARCHAR(64) NOT NULL, 
	step BIGINT NOT NULL, 
	CONSTRAINT pk_run_models PRIMARY KEY (run, kind, model), 
	CONSTRAINT fk_run_models_run FOREIGN KEY(run) REFERENCES runs (number)
);
CREATE TABLE run_params (
	run BIGINT NOT NULL, 
	"key" VARCHAR(255) NOT NULL, 
	value TEXT NOT NULL, 
	experiment INTEGER NOT NULL, head TEXT GENERATED ALWAYS AS (substr(value, 1, 64)) VIRTUAL, 
	CONSTRAINT pk_run_params PRIMARY KEY (run, "key"), 
	CONSTRAINT fk_run_params_run FOREIGN KEY(run) REFERENCES runs (number)
)
 WITHOUT ROWID

;
CREATE TABLE run_tags (
	run BIGINT NOT NULL, 
	"key" VARCHAR(255) NOT NULL, 
	value TEXT NOT NULL, 
	experiment INTEGER NOT NULL, head TEXT GENERATED ALWAYS AS (substr(value, 1, 64)) VIRTUAL, 
	CONSTRAINT pk_run_tags PRIMARY KEY (run, "key"), 
	CONSTRAINT fk_run_tags_run FOREIGN KEY(run) REFERENCES runs (number)
)
 WITHOUT ROWID

;
CREATE TABLE run_views (
	name VARCHAR(100) NOT NULL, 
	"query" TEXT NOT NULL, 
	owner VARCHAR(255) NOT NULL, 
	created BIGINT NOT NULL, 
	updated BIGINT NOT NULL, 
	CONSTRAINT pk_run_views PRIMARY KEY (name)
);
CREATE TABLE runs (
	number INTEGER NOT NULL, 
	id VARCHAR(32) NOT NULL, 
	experiment INTEGER NOT NULL, 
	name TEXT NOT NULL, 
	user VARCHAR(256) NOT NULL, 
	status VARCHAR(16) NOT NULL, 
	started BIGINT NOT NULL, 
	finished BIGINT, 
	deleted BIGINT, 
	location TEXT NOT NULL, 
	CONSTRAINT pk_runs PRIMARY KEY (number), 
	CONSTRAINT fk_runs_experiment FOREIGN KEY(experiment) REFERENCES experiments (id), 
	CONSTRAINT uq_runs_id UNIQUE (id)
);
CREATE TABLE sessions (
	id_sha256 VARCHAR(64) NOT NULL, 
	previous_sha256 VARCHAR(64), 
	"key" VARCHAR(32) NOT NULL, 
	token_sha256 VARCHAR(64) NOT NULL, 
	secret VARCHAR(64) NOT NULL, 
	agent VARCHAR(80) NOT NULL, 
	created BIGINT NOT NULL, 
	seen BIGINT NOT NULL, 
	rotated BIGINT NOT NULL, 
	retires BIGINT, 
	CONSTRAINT pk_sessions PRIMARY KEY (id_sha256), 
	CONSTRAINT uq_sessions_key UNIQUE ("key")
);
CREATE TABLE step_logs (
	cycle VARCHAR(64) NOT NULL, 
	step VARCHAR(32) NOT NULL, 
	text TEXT NOT NULL, 
	updated BIGINT NOT NULL, 
	CONSTRAINT pk_step_logs PRIMARY KEY (cycle, step), 
	CONSTRAINT fk_step_logs_cycle FOREIGN KEY(cycle) REFERENCES cycles (id)
);
CREATE TABLE webhook_deliveries (
	id VARCHAR(36) NOT NULL, 
	webhook VARCHAR(36) NOT NULL, 
	event VARCHAR(64) NOT NULL, 
	payload TEXT NOT NULL, 
	state VARCHAR(16) NOT NULL, 
	attempts INTEGER NOT NULL, 
	due BIGINT, 
	status INTEGER, 
	error TEXT, 
	created BIGINT NOT NULL, 
	updated BIGINT NOT NULL, 
	CONSTRAINT pk_webhook_deliveries PRIMARY KEY (id), 
	CONSTRAINT fk_webhook_deliveries_webhook FOREIGN KEY(webhook) REFERENCES webhooks (id)
);
CREATE TABLE webhooks (
	id VARCHAR(36) NOT NULL, 
	name VARCHAR(256) NOT NULL, 
	description TEXT, 
	url TEXT NOT NULL, 
	events TEXT NOT NULL, 
	secret TEXT, 
	status VARCHAR(16) NOT NULL, 
	created BIGINT NOT NULL, 
	updated BIGINT NOT NULL, 
	CONSTRAINT pk_webhooks PRIMARY KEY (id)
);
CREATE TABLE window_claims (
	endpoint VARCHAR(255) NOT NULL, 
	holder VARCHAR(36) NOT NULL, 
	until BIGINT NOT NULL, 
	CONSTRAINT pk_window_claims PRIMARY KEY (endpoint)
);
CREATE TABLE windows (
	endpoint VARCHAR(255) NOT NULL, 
	start BIGINT NOT NULL, 
	"end" BIGINT NOT NULL, 
	rows BIGINT NOT NULL, 
	labelled BIGINT NOT NULL, 
	checks TEXT NOT NULL, 
	performance TEXT, 
	quarantined BOOLEAN NOT NULL, 
	updated BIGINT NOT NULL, 
	CONSTRAINT pk_windows PRIMARY KEY (endpoint, start)
);
CREATE INDEX ix_alerts_endpoint_window ON alerts (endpoint, window);
CREATE INDEX ix_datasets_created ON datasets (created, digest);
CREATE INDEX ix_datasets_name_created ON datasets (name, created, digest);
CREATE INDEX ix_events_subject_seq ON events (subject, seq);
CREATE UNIQUE INDEX uq_cycles_under_way ON cycles (loop) WHERE finished IS NULL;
CREATE INDEX ix_artifacts_digest ON artifacts (digest);
CREATE INDEX ix_webhooks_created ON webhooks (created, id);
CREATE INDEX ix_logged_models_experiment_created ON logged_models (experiment, created, id);
CREATE INDEX ix_model_versions_run ON model_versions (run);
CREATE INDEX ix_model_versions_updated ON model_versions (updated, model, version);
CREATE INDEX ix_runs_experiment_started ON runs (experiment, started, number);
CREATE INDEX ix_runs_started ON runs (started, number);
CREATE INDEX ix_webhook_deliveries_due ON webhook_deliveries (due);
CREATE INDEX ix_webhook_deliveries_webhook_created ON webhook_deliveries (webhook, created, id);
CREATE INDEX ix_run_inputs_dataset ON run_inputs (dataset, run);
CREATE INDEX ix_run_metrics_find ON run_metrics (experiment, "key", nan, value, run);
CREATE INDEX ix_run_models_model ON run_models (model, kind);
CREATE INDEX ix_run_params_value ON run_params (experiment, "key", value, run);
CREATE INDEX ix_run_tags_value ON run_tags (experiment, "key", value, run);
CREATE INDEX ix_runs_experiment_status_started ON runs (experiment, status, started, number);
CREATE INDEX ix_moves_created ON moves (created, id);
CREATE INDEX ix_rollouts_endpoint ON rollouts (endpoint, began);
CREATE INDEX ix_alerts_incident ON alerts (incident);
CREATE INDEX ix_alert_incidents_opened ON alert_incidents (opened, id);
CREATE INDEX ix_alert_incidents_settled ON alert_incidents (settled, endpoint);
CREATE INDEX ix_alert_silences_until ON alert_silences (until);
CREATE INDEX ix_alert_deliveries_created ON alert_deliveries (created, id);
CREATE INDEX ix_alert_deliveries_due ON alert_deliveries (due);
CREATE INDEX ix_alert_deliveries_key ON alert_deliveries ("key", channel);
CREATE INDEX ix_log_halves_created ON log_halves (created);
CREATE INDEX ix_decisions_due ON decisions (due);
CREATE INDEX ix_cycle_words_cycle ON cycle_words (cycle, seq);
CREATE UNIQUE INDEX uq_cycle_words_once ON cycle_words (cycle, person, kind) WHERE kind <> 'comment';
CREATE INDEX ix_log_parts_created ON log_parts (created, endpoint);
CREATE INDEX ix_sessions_previous_sha256 ON sessions (previous_sha256);
CREATE INDEX ix_sessions_token_sha256 ON sessions (token_sha256);
CREATE INDEX ix_sessions_created ON sessions (created);
CREATE INDEX ix_sessions_seen ON sessions (seen);
CREATE INDEX ix_events_kind_seq ON events (kind, seq);
CREATE INDEX ix_events_actor_seq ON events (actor, seq);
CREATE INDEX ix_events_at ON events (at);
