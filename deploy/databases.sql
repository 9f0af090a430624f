-- The three databases of an installation; run by their owner. They are three because Dagster, MLflow
-- and the log of interventions each number the versions of their own tables.
CREATE DATABASE its_dagster;
CREATE DATABASE its_mlflow;
CREATE DATABASE its_interventions;
